//! Who is who, in storage: what a batch of tags changes, resolved from every record that shares one, and recorded with it.

mod resolve;

pub(crate) use resolve::link;
