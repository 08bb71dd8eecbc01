//! What is to be sent to a collector, as the standard `OTEL_*` variables say
//! (OpenTelemetry specification: environment variables; OTLP exporter).

use std::path::PathBuf;
use std::time::Duration;

/// How long an export may take where `OTEL_EXPORTER_OTLP_TIMEOUT` does not say.
const TIMEOUT: Duration = Duration::from_secs(10);

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
    /// Certificates of authorities that the collector's is checked with, in place of the system's: a PEM file.
    pub certificate: Option<PathBuf>,
    /// How long an export may take.
    pub timeout: Duration,
}

/// Says which variable cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} is {value:?}, and {wanted}")]
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
        Ok(Self { traces: export("TRACES", &variable)?, metrics: export("METRICS", &variable)? })
    }

    /// Whether anything is sent.
    pub fn is_on(&self) -> bool {
        self.traces.is_some() || self.metrics.is_some()
    }
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
    if let Some((variable, value)) = of_otlp("PROTOCOL").filter(|(_, value)| value != "http/protobuf") {
        return Err(PlanError { variable, value, wanted: "only http/protobuf is spoken" });
    }
    let timeout = match of_otlp("TIMEOUT") {
        None => TIMEOUT,
        Some((variable, value)) => match value.parse() {
            Ok(milliseconds) => Duration::from_millis(milliseconds),
            Err(_) => return Err(PlanError { variable, value, wanted: "milliseconds are wanted" }),
        },
    };
    Ok(Some(Export { certificate: of_otlp("CERTIFICATE").map(|(_, file)| file.into()), timeout }))
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
            Some(Export { certificate: Some("/ca.pem".into()), timeout: Duration::from_millis(milliseconds) })
        };
        assert_eq!(plan(&set).unwrap(), Plan { traces: export(2000), metrics: export(300) });
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        for (name, value) in [
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_TRACES_EXPORTER", "prometheus"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "soon"),
        ] {
            let error = plan(&[AT, (name, value)]).unwrap_err();
            assert_eq!((error.variable.as_str(), error.value.as_str()), (name, value));
        }
    }
}
