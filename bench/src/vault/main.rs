//! placeholder
mod people;
fn main() {}
