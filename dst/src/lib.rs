//! Deterministic simulation of whole fleets of peers under injected faults. It holds nothing yet.
