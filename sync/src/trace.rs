//! Where a trace goes on in another program: W3C trace context, carried and not interpreted.

use std::ops::Range;

/// Longest `tracestate` that is carried, in bytes: what the recommendation asks everybody to carry.
const MAX_STATE_BYTES: usize = 512;

/// Bytes of a `traceparent` of version 00.
const PARENT_BYTES: usize = 55;

/// Where in one the names of the trace and of the span are, and the flags.
const TRACE: Range<usize> = 3..35;
const SPAN: Range<usize> = 36..52;
const FLAGS: Range<usize> = 53..PARENT_BYTES;

/// The two headers of a request that say which span of which trace it belongs to
/// (W3C Trace Context, sections 3.2 and 3.3).
///
/// ```
/// use sync::TraceContext;
///
/// let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let trace = TraceContext::new(parent, Some("vendor=1")).unwrap();
/// assert_eq!(trace.fields().collect::<Vec<_>>(), [("traceparent", parent), ("tracestate", "vendor=1")]);
/// assert_eq!(trace.span_id(), "00f067aa0ba902b7");
/// assert_eq!(TraceContext::new("00-1-2-01", None), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// ASCII.
    parent: [u8; PARENT_BYTES],
    state: Option<String>,
}

impl TraceContext {
    /// The header that names trace and span.
    pub const PARENT: &str = "traceparent";
    /// The header for what vendors add.
    pub const STATE: &str = "tracestate";

    /// What two headers say; none if the first is not of version 00 and well-formed. A state that is too long or no
    /// text is left out.
    pub fn new(parent: &str, state: Option<&str>) -> Option<Self> {
        let parent: [u8; PARENT_BYTES] = parent.trim_ascii().as_bytes().try_into().ok()?;
        is_parent(&parent).then(|| Self { parent, state: state.and_then(carried) })
    }

    /// The names of a trace and of a span in it, and its flags; none if one of the names is zero. The state as in
    /// [`Self::new`].
    pub fn of(trace: [u8; 16], span: [u8; 8], flags: u8, state: Option<&str>) -> Option<Self> {
        let mut parent = *b"00-................................-................-..";
        hex(&mut parent[TRACE], &trace);
        hex(&mut parent[SPAN], &span);
        hex(&mut parent[FLAGS], &[flags]);
        let is_named = trace != [0; 16] && span != [0; 8];
        is_named.then(|| Self { parent, state: state.and_then(carried) })
    }

    /// Version, trace, span and flags.
    pub fn parent(&self) -> &str {
        self.part(0..PARENT_BYTES)
    }

    /// The name of the trace: 32 hex digits.
    pub fn trace_id(&self) -> &str {
        self.part(TRACE)
    }

    /// The name of the span: 16 hex digits.
    pub fn span_id(&self) -> &str {
        self.part(SPAN)
    }

    /// Both names, for a line of a log.
    #[cfg(feature = "http")]
    pub(crate) fn ids(trace: Option<&Self>) -> (Option<&str>, Option<&str>) {
        trace.map(|trace| (trace.trace_id(), trace.span_id())).unzip()
    }

    fn part(&self, range: Range<usize>) -> &str {
        std::str::from_utf8(&self.parent[range]).unwrap_or_default()
    }

    /// What vendors add.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Names and values of the headers.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let state = self.state.as_deref().map(|state| (Self::STATE, state));
        std::iter::once((Self::PARENT, self.parent())).chain(state)
    }
}

/// A state that may travel.
fn carried(state: &str) -> Option<String> {
    let state = state.trim();
    let is_text = state.bytes().all(|b| (b' '..=b'~').contains(&b));
    (!state.is_empty() && state.len() <= MAX_STATE_BYTES && is_text).then(|| state.to_owned())
}

/// Writes bytes in twice as many digits: each round does it, without what the formats of the standard library take.
fn hex(digits: &mut [u8], bytes: &[u8]) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

fn is_parent(parent: &[u8; PARENT_BYTES]) -> bool {
    let is_hex = |part: Range<usize>| parent[part].iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let is_set = |part: Range<usize>| parent[part].iter().any(|&b| b != b'0');
    let is_divided = parent.starts_with(b"00-") && parent[TRACE.end] == b'-' && parent[SPAN.end] == b'-';
    is_divided && [TRACE, SPAN, FLAGS].into_iter().all(is_hex) && is_set(TRACE) && is_set(SPAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_no_parent_is_none() {
        assert!(TraceContext::new(&format!(" {PARENT} "), None).is_some());
        for text in [
            "",
            "00",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1\n",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7001",
            "00-4bf92f3577b34da6a3ce929d0e0e4736000f067aa0ba902b7-01",
            "0004bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473\u{e9}-0f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::new(text, None), None, "{text:?}");
        }
    }

    #[test]
    fn names_in_bytes_are_those_in_digits() {
        let trace = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();
        let span = 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes();
        let of = TraceContext::of(trace, span, 1, Some(" a=1 "));
        assert_eq!(of, TraceContext::new(PARENT, Some("a=1")));
        assert_eq!(of.map(|of| of.parent().to_owned()).as_deref(), Some(PARENT));
        assert_eq!(TraceContext::of([0; 16], span, 1, None), None);
        assert_eq!(TraceContext::of(trace, [0; 8], 1, None), None);
    }

    #[test]
    fn a_state_that_could_break_the_headers_is_left_out() {
        for state in ["", "a\r\nFrond-Error: busy", "\u{e9}", &"x".repeat(MAX_STATE_BYTES + 1)] {
            assert_eq!(TraceContext::new(PARENT, Some(state)).unwrap().state(), None, "{state:?}");
        }
    }
}
