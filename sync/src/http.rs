//! HTTP, both ends. To be written.
