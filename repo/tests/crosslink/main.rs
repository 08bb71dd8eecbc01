//! Derived rows against worked examples, and against stock Fossil.

mod reader;
mod stock;
mod support;
mod worked;
