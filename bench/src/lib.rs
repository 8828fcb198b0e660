//! What every benchmark shares: figures beside their aims and the last committed ones, and what work cost.

pub mod figure;
pub mod meter;
