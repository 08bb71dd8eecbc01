//! What is to be sent to a collector, as the standard `OTEL_*` variables say
//! (OpenTelemetry specification: environment variables; OTLP exporter).

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

/// How long an export may take where `OTEL_EXPORTER_OTLP_TIMEOUT` does not say.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What else may be said of the exporter, the words that are understood, and what is told at any other.
const REFUSED: [(&str, &[&str], &str); 4] = [
    ("PROTOCOL", &["http/protobuf"], "only http/protobuf is spoken"),
    ("COMPRESSION", &["none"], "nothing is compressed"),
    ("CLIENT_CERTIFICATE", &[], "the collector is not shown a certificate"),
    ("CLIENT_KEY", &[], "the collector is not shown a certificate"),
];

const SAMPLERS: &str =
    "always_on, always_off and traceidratio are known, each with or without parentbased_ before it";

const TEMPORALITIES: [&str; 3] = ["cumulative", "delta", "lowmemory"];

const SECRETS: &str = "take user and password out of the URL, OTEL_EXPORTER_OTLP_HEADERS is for them";

/// What may be said of things that there are none of here, the words that ask for none, and what is told at any other.
const WITHOUT_EFFECT: [(&str, &[&str], &str); 12] = [
    ("OTEL_LOGS_EXPORTER", &["none"], "logs are written to stderr and not sent"),
    (
        "OTEL_PROPAGATORS",
        &["tracecontext", "baggage"],
        "only traceparent and tracestate are written and read",
    ),
    ("OTEL_METRIC_EXPORT_TIMEOUT", &[], INSTEAD),
    ("OTEL_BSP_EXPORT_TIMEOUT", &[], INSTEAD),
    ("OTEL_METRICS_EXEMPLAR_FILTER", &["always_off"], "there are no exemplars"),
    ("OTEL_ATTRIBUTE_COUNT_LIMIT", &[], "it changes nothing, OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT does"),
    ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", &[], NOTHING),
    ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", &[], NOTHING),
    (
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        &["explicit_bucket_histogram"],
        "histograms have the bounds that they have",
    ),
    ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", &[], LENGTH),
    ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", &[], LENGTH),
    ("OTEL_CONFIG_FILE", &[], "the file is not read"),
];

const NOTHING: &str = "it changes nothing";

const INSTEAD: &str = "it changes nothing, OTEL_EXPORTER_OTLP_TIMEOUT does";

const LENGTH: &str = "it changes nothing, a text is a KiB long at most";

/// What is sent. Nothing, unless a variable names a collector or the exporter `otlp`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Spans, if they are sent.
    pub traces: Option<Export>,
    /// Metrics, if they are sent.
    pub metrics: Option<Export>,
}

/// How one kind of data is sent. Address, headers, sampler, queue and intervals are read by the exporter itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Whether the collector is reached over TLS.
    pub is_secure: bool,
    /// Certificates of authorities that the collector's is checked with, in place of the system's: a PEM file.
    pub certificate: Option<PathBuf>,
    /// How long an export may take.
    pub timeout: Duration,
}

/// Says which variable cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} is {value:?}: {wanted}")]
pub struct PlanError {
    /// Its name.
    pub variable: String,
    /// What it says.
    pub value: String,
    /// What it may say.
    pub wanted: &'static str,
}

impl Plan {
    /// Reads the variables. One that is empty counts as not set.
    ///
    /// ```
    /// use telemetry::Plan;
    ///
    /// let plan = Plan::read(|name| (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| "http://localhost:4318".into()))?;
    /// assert!(plan.traces.is_some() && plan.metrics.is_some());
    /// assert_eq!(Plan::read(|_| None)?, Plan::default(), "nothing set, nothing sent");
    /// # Ok::<(), telemetry::PlanError>(())
    /// ```
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, PlanError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(Self::default());
        }
        let plan = Self { traces: export("TRACES", &variable)?, metrics: export("METRICS", &variable)? };
        if plan.traces.is_some() {
            check_sampler(&variable)?;
            check_numbers(
                &["BSP_SCHEDULE_DELAY", "BSP_MAX_QUEUE_SIZE", "BSP_MAX_EXPORT_BATCH_SIZE"],
                1,
                &variable,
            )?;
            check_numbers(
                &["SPAN_ATTRIBUTE_COUNT_LIMIT", "SPAN_EVENT_COUNT_LIMIT", "SPAN_LINK_COUNT_LIMIT"],
                0,
                &variable,
            )?;
        }
        if plan.metrics.is_some() {
            check_numbers(&["METRIC_EXPORT_INTERVAL"], 1, &variable)?;
            check_temporality(&variable)?;
        }
        if plan.is_on() {
            check_attributes(&variable)?;
        }
        Ok(plan)
    }

    /// Whether anything is sent.
    pub fn is_on(&self) -> bool {
        self.traces.is_some() || self.metrics.is_some()
    }
}

/// What is said of things that there are none of here: it changes nothing, and all else is sent as it is set.
pub fn without_effect(variable: impl Fn(&str) -> Option<String>) -> Vec<PlanError> {
    let found = |(name, accepted, wanted): (&str, &[&str], &'static str)| {
        let value = variable(name).filter(|value| !value.is_empty())?;
        let is_followed = value.split(',').all(|word| accepted.contains(&word.trim()));
        (!is_followed).then(|| PlanError { variable: name.to_owned(), value, wanted })
    };
    WITHOUT_EFFECT.into_iter().filter_map(found).collect()
}

fn export(signal: &str, variable: &impl Fn(&str) -> Option<String>) -> Result<Option<Export>, PlanError> {
    let of_otlp = |what: &str| {
        let names = [format!("OTEL_EXPORTER_OTLP_{signal}_{what}"), format!("OTEL_EXPORTER_OTLP_{what}")];
        names.into_iter().find_map(|name| variable(&name).map(|value| (name, value)))
    };
    let exporter = format!("OTEL_{signal}_EXPORTER");
    let is_on = match variable(&exporter) {
        None => of_otlp("ENDPOINT").is_some(),
        Some(value) => match value.as_str() {
            "otlp" => true,
            "none" => false,
            // Metrics are always there to be asked for.
            "prometheus" if signal == "METRICS" => false,
            _ => return Err(PlanError { variable: exporter, value, wanted: "otlp and none are known" }),
        },
    };
    if !is_on {
        return Ok(None);
    }
    // What the exporter would do in another way than it was told.
    for (what, accepted, wanted) in REFUSED {
        if let Some((variable, value)) =
            of_otlp(what).filter(|(_, value)| !accepted.contains(&value.as_str()))
        {
            return Err(PlanError { variable, value, wanted });
        }
    }
    let endpoint = of_otlp("ENDPOINT");
    if let Some((variable, url)) = &endpoint {
        check_address(url).map_err(|wanted| {
            let (variable, value) = (variable.clone(), without_secrets(url));
            PlanError { variable, value, wanted }
        })?;
    }
    if let Some((variable, headers)) = of_otlp("HEADERS")
        && !headers.split_terminator(',').all(is_header)
    {
        // They are secrets.
        let (value, wanted) = ("...".to_owned(), "name=value is wanted, with commas between two of them");
        return Err(PlanError { variable, value, wanted });
    }
    let timeout = match of_otlp("TIMEOUT") {
        None => TIMEOUT,
        Some((variable, value)) => match value.parse() {
            Ok(milliseconds) => Duration::from_millis(milliseconds),
            Err(_) => return Err(PlanError { variable, value, wanted: "milliseconds are wanted" }),
        },
    };
    Ok(Some(Export {
        is_secure: endpoint.is_some_and(|(_, url)| is_https(&url)),
        certificate: of_otlp("CERTIFICATE").map(|(_, file)| file.into()),
        timeout,
    }))
}

/// Whether the exporter takes a header, which it would leave out in silence.
fn is_header(text: &str) -> bool {
    let Some((name, value)) = text.trim().split_once('=') else { return false };
    let mut rest = value.trim();
    let mut plain = Vec::with_capacity(rest.len());
    while let Some((before, after)) = rest.split_once('%') {
        let Some(byte) = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            return false;
        };
        plain.extend_from_slice(before.as_bytes());
        plain.push(byte);
        rest = &after[2..];
    }
    plain.extend_from_slice(rest.as_bytes());
    let is_text = std::str::from_utf8(&plain).is_ok();
    is_text && HeaderName::try_from(name.trim()).is_ok() && HeaderValue::from_bytes(&plain).is_ok()
}

/// Checks what the exporter would pass over in silence: how often is sent, how much is kept until then, and how much a
/// span holds.
fn check_numbers(
    names: &[&str],
    least: u32,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<(), PlanError> {
    for name in names.iter().map(|name| format!("OTEL_{name}")) {
        if let Some(value) =
            variable(&name).filter(|value| !value.parse().is_ok_and(|number: u32| number >= least))
        {
            let wanted = if least > 0 { "a number above 0 is wanted" } else { "a number is wanted" };
            return Err(PlanError { variable: name, value, wanted });
        }
    }
    Ok(())
}

/// Checks what the exporter would pass over in silence: what the numbers count from.
fn check_temporality(variable: &impl Fn(&str) -> Option<String>) -> Result<(), PlanError> {
    let name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    let is_known = |value: &String| TEMPORALITIES.contains(&value.to_ascii_lowercase().as_str());
    match variable(name).filter(|value| !is_known(value)) {
        None => Ok(()),
        Some(value) => Err(PlanError {
            variable: name.to_owned(),
            value,
            wanted: "cumulative, delta and lowmemory are known",
        }),
    }
}

/// Checks what is said of the sender: what has no value would be left out in silence.
fn check_attributes(variable: &impl Fn(&str) -> Option<String>) -> Result<(), PlanError> {
    let name = "OTEL_RESOURCE_ATTRIBUTES";
    let is_pair = |text: &str| text.split_once('=').is_some_and(|(key, _)| !key.trim().is_empty());
    match variable(name).filter(|value| !value.split_terminator(',').all(is_pair)) {
        None => Ok(()),
        Some(value) => Err(PlanError {
            variable: name.to_owned(),
            value,
            wanted: "name=value is wanted, with commas between two of them",
        }),
    }
}

/// Gives what is wanted in place of an address that is of no use.
fn check_address(url: &str) -> Result<(), &'static str> {
    let url = url.parse::<http::Uri>().ok().filter(|url| {
        matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some_and(|host| !host.is_empty())
    });
    let url = url.ok_or("an address of http or https is wanted")?;
    let has_user = url.authority().is_some_and(|authority| authority.as_str().contains('@'));
    // The exporter would leave it out, and the collector refuse all.
    if has_user { Err(SECRETS) } else { Ok(()) }
}

/// An address, or what was meant as one, as far as everybody may read it: no user, no query.
fn without_secrets(url: &str) -> String {
    let (begin, _) = url.split_once('?').unwrap_or((url, ""));
    let Some((secret, rest)) = begin.rsplit_once('@') else { return begin.to_owned() };
    let scheme = secret.find("://").map_or("", |end| &secret[..end + "://".len()]);
    format!("{scheme}...@{rest}")
}

fn is_https(url: &str) -> bool {
    url.get(.."https:".len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
}

/// Checks what the exporter would pass over in silence: which traces are kept.
fn check_sampler(variable: &impl Fn(&str) -> Option<String>) -> Result<(), PlanError> {
    let (name, argument) = ("OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG");
    match variable(name).as_deref() {
        None | Some("always_on" | "always_off" | "parentbased_always_on" | "parentbased_always_off") => {
            Ok(())
        }
        Some("traceidratio" | "parentbased_traceidratio") => {
            let ratio = variable(argument);
            let is_share = |text: &String| text.parse().is_ok_and(|share: f64| (0.0..=1.0).contains(&share));
            match ratio.filter(|text| !is_share(text)) {
                None => Ok(()),
                Some(value) => Err(PlanError {
                    variable: argument.to_owned(),
                    value,
                    wanted: "a share from 0 to 1 is wanted",
                }),
            }
        }
        Some(other) => {
            Err(PlanError { variable: name.to_owned(), value: other.to_owned(), wanted: SAMPLERS })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(set: &[(&str, &str)]) -> Result<Plan, PlanError> {
        Plan::read(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    const AT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");

    #[test]
    fn what_is_sent_is_what_the_variables_name() {
        for (set, traces, metrics) in [
            (&[][..], false, false),
            (&[("OTEL_SERVICE_NAME", "x")], false, false),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")], false, false),
            (&[AT], true, true),
            (&[AT, ("OTEL_SDK_DISABLED", "true")], false, false),
            (&[AT, ("OTEL_TRACES_EXPORTER", "none")], false, true),
            (&[AT, ("OTEL_METRICS_EXPORTER", "prometheus")], true, false),
            (&[("OTEL_TRACES_EXPORTER", "otlp")], true, false),
            (&[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://h/m")], false, true),
        ] {
            let plan = plan(set).unwrap();
            assert_eq!((plan.traces.is_some(), plan.metrics.is_some()), (traces, metrics), "{set:?}");
        }
    }

    #[test]
    fn the_variable_of_a_signal_goes_before_the_general_one() {
        let set = [
            AT,
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000"),
            ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "300"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
        ];
        let export = |milliseconds| {
            let timeout = Duration::from_millis(milliseconds);
            Some(Export { is_secure: false, certificate: Some("/ca.pem".into()), timeout })
        };
        assert_eq!(plan(&set).unwrap(), Plan { traces: export(2000), metrics: export(300) });
    }

    #[test]
    fn the_share_of_traces_is_a_share() {
        let share =
            |share| plan(&[AT, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", share)]);
        for text in ["0", "0.25", "1", ""] {
            assert!(share(text).is_ok(), "{text}");
        }
        for text in ["2", "-0.1", "NaN", "half"] {
            assert_eq!(share(text).unwrap_err().variable, "OTEL_TRACES_SAMPLER_ARG", "{text}");
        }
    }

    #[test]
    fn a_collector_is_reached_over_tls_where_its_address_says_so() {
        for (url, is_secure) in [("http://h:4318", false), ("https://h", true), ("HTTPS://h", true)] {
            let plan = plan(&[("OTEL_EXPORTER_OTLP_ENDPOINT", url)]).unwrap();
            assert_eq!(plan.traces.unwrap().is_secure, is_secure, "{url}");
        }
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        for (name, value) in [
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_TRACES_EXPORTER", "prometheus"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "soon"),
            ("OTEL_TRACES_SAMPLER", "xray"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/client.key"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4318"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,b"),
            ("OTEL_BSP_SCHEDULE_DELAY", "5s"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "often"),
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "x"),
            ("OTEL_SPAN_EVENT_COUNT_LIMIT", "-1"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "nonsense"),
        ] {
            let error = plan(&[AT, (name, value)]).unwrap_err();
            assert_eq!((error.variable.as_str(), error.value.as_str()), (name, value));
        }
    }

    #[test]
    fn what_concerns_nothing_here_is_named_and_stops_nothing() {
        for (name, value) in [
            ("OTEL_LOGS_EXPORTER", "otlp"),
            ("OTEL_PROPAGATORS", "b3"),
            ("OTEL_PROPAGATORS", "tracecontext,b3"),
            ("OTEL_METRIC_EXPORT_TIMEOUT", "x"),
            ("OTEL_BSP_EXPORT_TIMEOUT", "500"),
            ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "7"),
            (
                "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
                "base2_exponential_bucket_histogram",
            ),
        ] {
            assert!(plan(&[AT, (name, value)]).unwrap().is_on(), "{name}");
            let named = without_effect(|asked| (asked == name).then(|| value.to_owned()));
            let [error] = &named[..] else { panic!("{named:?}") };
            assert_eq!((error.variable.as_str(), error.value.as_str()), (name, value));
        }
        for (name, value) in [
            ("OTEL_LOGS_EXPORTER", "none"),
            ("OTEL_LOGS_EXPORTER", ""),
            ("OTEL_PROPAGATORS", "tracecontext, baggage"),
            ("OTEL_SERVICE_NAME", "x"),
        ] {
            let named = without_effect(|asked| (asked == name).then(|| value.to_owned()));
            assert_eq!(named, [], "{name} is {value}");
        }
    }

    #[test]
    fn how_numbers_are_sent_is_said_in_small_or_capital_letters() {
        for value in ["cumulative", "delta", "Delta", "LOWMEMORY"] {
            assert!(
                plan(&[AT, ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", value)]).is_ok(),
                "{value}"
            );
        }
    }

    #[test]
    fn headers_that_would_be_left_out_are_told_of_and_not_shown() {
        let name = "OTEL_EXPORTER_OTLP_METRICS_HEADERS";
        for text in ["a=b", "x-a = b , c=%20d%c3%a4", "a=b,", "a=b=c", "a="] {
            assert!(plan(&[AT, (name, text)]).is_ok(), "{text}");
        }
        for text in
            ["hush", "a=b,hush", "=hush", "a b=hush", "a=hush%2", "a=hush%zz", "a=hush%0a", "a=hush%ff"]
        {
            let error = plan(&[AT, (name, text)]).unwrap_err();
            assert_eq!(error.variable, name, "{text}");
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }

    #[test]
    fn an_address_is_named_without_its_user_and_its_query() {
        for (url, told) in [
            ("http://me:hush@h:4318", "http://...@h:4318"),
            ("HTTPS://hush@h/p?key=hush", "HTTPS://...@h/p"),
            ("ftp://me:hush@h", "ftp://...@h"),
            ("me:hush@h:4318", "...@h:4318"),
            ("http://me:hu@sh@h", "http://...@h"),
            ("collector?key=hush", "collector"),
        ] {
            let error = plan(&[("OTEL_EXPORTER_OTLP_ENDPOINT", url)]).unwrap_err();
            assert_eq!(error.value, told, "{url}");
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }
}
