//! Derived rows against worked examples, and against stock Fossil.

#[cfg(test)]
mod generated;
#[cfg(test)]
mod reader;
#[cfg(test)]
mod stock;
#[cfg(test)]
mod support;
#[cfg(test)]
mod worked;
