//! Derived rows against worked examples, and against stock Fossil.

mod generated;
mod reader;
mod stock;
mod support;
mod worked;
