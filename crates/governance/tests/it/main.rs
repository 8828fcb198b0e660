//! The use cases as a whole, on real databases.

mod canary;
mod crash;
mod crash_faults;
mod data_map;
mod data_map_check;
mod data_map_fides;
mod data_map_relations;
mod engines;
mod generated;
mod generated_schema;
mod house;
mod know;
mod legal_hold;
mod overview;
mod privacy_request;
mod profile_house;
mod profile_write;
mod progress;
mod real_data;
mod real_deletion;
mod real_engines;
mod reasons;
mod recorder;
mod repeat;
mod scenarios;
mod server;
