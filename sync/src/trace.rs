//! Where a trace goes on in another program: W3C trace context, carried and not interpreted.

/// Longest `tracestate` that is carried, in bytes: what the recommendation asks everybody to carry.
const MAX_STATE_BYTES: usize = 512;

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
    parent: String,
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
        let parent = parent.trim();
        let state = state.map(str::trim).filter(|state| {
            !state.is_empty()
                && state.len() <= MAX_STATE_BYTES
                && state.bytes().all(|b| (b' '..=b'~').contains(&b))
        });
        is_parent(parent).then(|| Self { parent: parent.to_owned(), state: state.map(str::to_owned) })
    }

    /// Version, trace, span and flags.
    pub fn parent(&self) -> &str {
        &self.parent
    }

    /// The name of the trace: 32 hex digits.
    pub fn trace_id(&self) -> &str {
        self.part(1)
    }

    /// The name of the span: 16 hex digits.
    pub fn span_id(&self) -> &str {
        self.part(2)
    }

    /// Both names, for a line of a log.
    #[cfg(feature = "http")]
    pub(crate) fn ids(trace: Option<&Self>) -> (Option<&str>, Option<&str>) {
        trace.map(|trace| (trace.trace_id(), trace.span_id())).unzip()
    }

    fn part(&self, index: usize) -> &str {
        self.parent.split('-').nth(index).unwrap_or_default()
    }

    /// What vendors add.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Names and values of the headers.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let state = self.state.as_deref().map(|state| (Self::STATE, state));
        std::iter::once((Self::PARENT, self.parent.as_str())).chain(state)
    }
}

fn is_parent(text: &str) -> bool {
    let is_hex = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let is_set = |part: &str| part.bytes().any(|b| b != b'0');
    let mut parts = text.split('-');
    let parts: [Option<&str>; 5] = std::array::from_fn(|_| parts.next());
    let [Some(version), Some(trace), Some(span), Some(flags), None] = parts else { return false };
    version == "00"
        && (trace.len(), span.len(), flags.len()) == (32, 16, 2)
        && [trace, span, flags].into_iter().all(is_hex)
        && is_set(trace)
        && is_set(span)
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
        ] {
            assert_eq!(TraceContext::new(text, None), None, "{text:?}");
        }
    }

    #[test]
    fn a_state_that_could_break_the_headers_is_left_out() {
        for state in ["", "a\r\nFrond-Error: busy", "\u{e9}", &"x".repeat(MAX_STATE_BYTES + 1)] {
            assert_eq!(TraceContext::new(PARENT, Some(state)).unwrap().state(), None, "{state:?}");
        }
    }
}
