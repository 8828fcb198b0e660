//! Privacy requests: the way of a deletion (and of the other rights), one file a step.

pub mod access;
pub mod attachment;
pub mod categories;
pub(crate) mod close;
pub(crate) mod confirm;
pub mod console;
pub(crate) mod delete;
pub mod figures;
pub(crate) mod follow_up;
pub mod inform_recipients;
pub mod intake;
pub(crate) mod know_limit;
pub(crate) mod last_letter;
pub(crate) mod look_back;
pub mod manual;
pub(crate) mod opt_out;
pub mod package;
pub mod plan;
pub mod repeat;
pub mod take_answer;
pub mod tracker;
pub mod verify;
pub(crate) mod write_to_subject;
