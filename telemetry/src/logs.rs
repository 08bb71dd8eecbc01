//! Log lines on stderr, each with the trace and the span that it was written in.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, Full, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::SpanId;

thread_local! {
    static CURRENT: Cell<Option<SpanId>> = const { Cell::new(None) };
}

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

/// Writes what `filter` lets pass to stderr.
pub fn start(filter: EnvFilter, form: Form, is_coloured: bool) {
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let lines = lines.with_ansi(is_coloured);
    match form {
        Form::Text => lines.event_format(Spanned(Format::default().with_ansi(is_coloured))).init(),
        Form::Json => {
            lines.fmt_fields(JsonFields::new()).event_format(Spanned(Format::default().json())).init();
        }
    }
}

/// Has log lines of this thread name a span, until told otherwise. Gives the one that they named.
pub(crate) fn enter(span: Option<SpanId>) -> Option<SpanId> {
    CURRENT.replace(span)
}

/// Does something; log lines that it writes name `span`.
pub fn inside<T>(span: Option<SpanId>, job: impl FnOnce() -> T) -> T {
    let _before = Before(enter(span));
    job()
}

/// Has log lines name again what they named before: after a panic too, since the thread goes on with other work.
struct Before(Option<SpanId>);

impl Drop for Before {
    fn drop(&mut self) {
        enter(self.0);
    }
}

/// Runs a future; log lines that are written in it name `span`.
pub fn within<F: Future>(span: Option<SpanId>, future: F) -> impl Future<Output = F::Output> {
    Within { span, future: Box::pin(future) }
}

struct Within<F> {
    span: Option<SpanId>,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let span = self.span;
        inside(span, || self.future.as_mut().poll(context))
    }
}

/// Writes as `F` does, and names the span.
struct Spanned<F>(F);

/// Adds the span to a line that was written without.
trait Name {
    fn name(line: &str, span: SpanId) -> String;
}

impl<T> Name for Format<Full, T> {
    fn name(line: &str, span: SpanId) -> String {
        format!("{} trace_id={} span_id={}\n", line.trim_end(), span.trace(), span.span())
    }
}

impl<T> Name for Format<Json, T> {
    fn name(line: &str, span: SpanId) -> String {
        let rest = line.strip_prefix('{').unwrap_or(line);
        format!("{{\"trace_id\":\"{}\",\"span_id\":\"{}\",{rest}", span.trace(), span.span())
    }
}

impl<S, N, F> FormatEvent<S, N> for Spanned<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N> + Name,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(span) = CURRENT.get() else { return self.0.format_event(context, writer, event) };
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        writer.write_str(&F::name(&line, span))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails where they do")]
mod tests {
    use std::io::Write;
    use std::panic::catch_unwind;
    use std::sync::{Arc, Mutex};

    use sync::TraceContext;

    use super::*;
    use crate::span;

    fn of(digit: &str) -> Option<SpanId> {
        use opentelemetry::trace::TraceContextExt as _;

        let trace = TraceContext::new(&format!("00-{}-{}-01", digit.repeat(32), digit.repeat(16)), None);
        SpanId::of(span::from_wire(&trace.unwrap()).span().span_context())
    }

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_for_people_ends_with_the_span_it_was_written_in() {
        let kept = Kept::default();
        let writer = kept.clone();
        let lines = tracing_subscriber::fmt().with_writer(move || writer.clone());
        let lines = lines.event_format(Spanned(Format::default().with_ansi(false).without_time()));
        tracing::subscriber::with_default(lines.finish(), || {
            tracing::info!("before");
            inside(of("1"), || tracing::info!(sent = 3, "within"));
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let name = module_path!();
        let (trace, span) = ("1".repeat(32), "1".repeat(16));
        let expected =
            format!(" INFO {name}: before\n INFO {name}: within sent=3 trace_id={trace} span_id={span}\n");
        assert_eq!(text, expected);
    }

    #[test]
    fn what_a_job_that_panics_was_in_is_left() {
        inside(of("1"), || {
            let outcome = catch_unwind(|| {
                inside(of("2"), || {
                    assert_eq!(CURRENT.get(), of("2"));
                    panic!("as it is meant to");
                })
            });
            assert!(outcome.is_err());
            assert_eq!(CURRENT.get(), of("1"));
        });
        assert_eq!(CURRENT.get(), None);
    }
}
