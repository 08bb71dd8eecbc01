//! A collector: a real OTLP/HTTP endpoint on loopback that keeps what it is sent.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;

/// How a collector behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It takes what comes.
    Takes,
    /// The same, and does not look at it.
    #[allow(dead_code, reason = "for the benchmark")]
    Swallows,
    /// It answers with status 500.
    Fails,
    /// It never answers.
    Hangs,
}

/// What came, by the name of the service that sent it.
#[derive(Debug, Default)]
struct Kept {
    spans: Vec<(String, Span)>,
    /// The newest of each service: they are cumulative.
    metrics: Vec<(String, ExportMetricsServiceRequest)>,
    /// What the requests held.
    bodies: Vec<Vec<u8>>,
    /// Path and headers of each request, in small letters, a line each.
    heads: Vec<String>,
    /// Attributes of the resource that sent the last spans.
    resource: Vec<KeyValue>,
}

pub(crate) struct Collector {
    pub(crate) url: String,
    manner: Arc<Mutex<Manner>>,
    kept: Arc<Mutex<Kept>>,
}

impl Collector {
    pub(crate) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (manner, kept) = (Arc::new(Mutex::new(manner)), Arc::<Mutex<Kept>>::default());
        let collector = Self { url, manner: Arc::clone(&manner), kept: Arc::clone(&kept) };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (manner, keep) = (Arc::clone(&manner), Arc::clone(&kept));
                thread::spawn(move || converse(stream.unwrap(), &manner, &keep));
            }
        });
        collector
    }

    /// Behaves in another way from now on.
    #[allow(dead_code, reason = "not for the benchmark")]
    pub(crate) fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    pub(crate) fn requests(&self) -> usize {
        self.heads().len()
    }

    /// Path and headers of each request that came.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.kept.lock().unwrap().heads.clone()
    }

    /// All that was sent.
    #[allow(dead_code, reason = "not for the benchmark")]
    pub(crate) fn bodies(&self) -> Vec<Vec<u8>> {
        self.kept.lock().unwrap().bodies.clone()
    }

    /// What the sender of the last spans said of itself.
    pub(crate) fn resource(&self, name: &str) -> String {
        attribute(&self.kept.lock().unwrap().resource, name)
    }

    /// Waits until so many spans of a name came.
    pub(crate) fn wait_for(&self, name: &str, count: usize) {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let came = self.spans().iter().filter(|span| span.name == name).count();
            if came >= count {
                return;
            }
            assert!(Instant::now() < until, "{came} of {count} {name} came");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// All spans that came, in the order in which they began.
    pub(crate) fn spans(&self) -> Vec<Seen> {
        let kept = self.kept.lock().unwrap();
        let mut spans: Vec<Seen> =
            kept.spans.iter().map(|(service, span)| Seen::new(service, span)).collect();
        spans.sort_by_key(|span| span.begun);
        spans
    }

    /// The newest metrics of a service.
    pub(crate) fn metrics(&self, service: &str) -> Vec<Metric> {
        let kept = self.kept.lock().unwrap();
        let newest = kept.metrics.iter().rev().find(|(from, _)| from == service);
        let (_, newest) = newest.unwrap_or_else(|| panic!("{service} sent no metrics"));
        let scopes = newest.resource_metrics.iter().flat_map(|of| &of.scope_metrics);
        scopes.flat_map(|of| of.metrics.clone()).collect()
    }

    /// How many values a histogram of a service has, and their sum.
    #[allow(dead_code, reason = "not for the benchmark")]
    pub(crate) fn histogram(&self, service: &str, name: &str) -> (u64, f64) {
        let metrics = self.metrics(service).into_iter().filter(|metric| metric.name == name);
        let points = metrics.flat_map(|metric| match metric.data {
            Some(Data::Histogram(histogram)) => histogram.data_points,
            other => panic!("{name} is {other:?}"),
        });
        points.fold((0, 0.0), |(count, sum), point| (count + point.count, sum + point.sum()))
    }

    /// What the numbers of a counter of a service that came count from, each time.
    #[allow(dead_code, reason = "not for the benchmark")]
    pub(crate) fn temporality(&self, service: &str, name: &str) -> Vec<AggregationTemporality> {
        let kept = self.kept.lock().unwrap();
        let own = kept.metrics.iter().filter(|(from, _)| from == service);
        let scopes = own.flat_map(|(_, sent)| &sent.resource_metrics).flat_map(|of| &of.scope_metrics);
        let metrics = scopes.flat_map(|of| &of.metrics).filter(|metric| metric.name == name);
        metrics
            .map(|metric| match &metric.data {
                Some(Data::Sum(sum)) => sum.aggregation_temporality(),
                other => panic!("{name} is {other:?}"),
            })
            .collect()
    }

    /// The sum of a counter of a service over what has all these labels.
    pub(crate) fn sum(&self, service: &str, name: &str, labels: &[(&str, &str)]) -> u64 {
        let metrics = self.metrics(service).into_iter().filter(|metric| metric.name == name);
        let points = metrics.flat_map(|metric| match metric.data {
            Some(Data::Sum(sum)) => sum.data_points,
            other => panic!("{name} is {other:?}"),
        });
        let chosen = points
            .filter(|point| labels.iter().all(|(name, value)| attribute(&point.attributes, name) == *value));
        chosen
            .map(|point| match point.value {
                Some(number_data_point::Value::AsInt(value)) => u64::try_from(value).unwrap(),
                other => panic!("{name} has {other:?}"),
            })
            .sum()
    }
}

/// A span, as far as tests look at it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) trace: Vec<u8>,
    pub(crate) id: Vec<u8>,
    pub(crate) parent: Vec<u8>,
    /// Names of what happened in it.
    pub(crate) events: Vec<String>,
    /// What it says where it failed.
    pub(crate) failed: Option<String>,
    begun: u64,
    pub(crate) attributes: Vec<KeyValue>,
}

impl Seen {
    fn new(service: &str, span: &Span) -> Self {
        Self {
            service: service.to_owned(),
            name: span.name.clone(),
            trace: span.trace_id.clone(),
            id: span.span_id.clone(),
            parent: span.parent_span_id.clone(),
            events: span.events.iter().map(|event| event.name.clone()).collect(),
            failed: failure(span),
            begun: span.start_time_unix_nano,
            attributes: span.attributes.clone(),
        }
    }

    pub(crate) fn attribute(&self, name: &str) -> String {
        attribute(&self.attributes, name)
    }
}

fn failure(span: &Span) -> Option<String> {
    let status = span.status.as_ref().filter(|status| status.code() == StatusCode::Error);
    status.map(|status| status.message.clone())
}

fn attribute(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|attribute| attribute.value.as_ref()).and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(other) => panic!("{name} is {other:?}"),
        None => String::new(),
    }
}

fn converse(stream: TcpStream, manner: &Mutex<Manner>, keep: &Mutex<Kept>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some((head, body)) = read(&mut reader) {
        let path = head.split(' ').nth(1).unwrap().to_owned();
        keep.lock().unwrap().heads.push(head);
        let manner = *manner.lock().unwrap();
        let status = match manner {
            Manner::Hangs => {
                thread::sleep(Duration::from_secs(600));
                return;
            }
            Manner::Fails => "500 Internal Server Error",
            Manner::Swallows => "200 OK",
            Manner::Takes => {
                take(&path, &body, keep);
                "200 OK"
            }
        };
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n");
        if stream.write_all(head.as_bytes()).is_err() {
            return;
        }
    }
}

/// The head and the body of a request; none where the connection ended.
fn read(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    reader.read_line(&mut head).ok().filter(|length| *length > 0)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head.push_str(&line);
        head.push('\n');
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn take(path: &str, body: &[u8], keep: &Mutex<Kept>) {
    let mut keep = keep.lock().unwrap();
    keep.bodies.push(body.to_vec());
    match path {
        "/v1/traces" | "/traces-go-here" => {
            let request = ExportTraceServiceRequest::decode(body).unwrap();
            for of in request.resource_spans {
                keep.resource = of.resource.unwrap_or_default().attributes;
                let service = attribute(&keep.resource, "service.name");
                let spans = of.scope_spans.into_iter().flat_map(|of| of.spans);
                keep.spans.extend(spans.map(|span| (service.clone(), span)));
            }
        }
        "/v1/metrics" => {
            let request = ExportMetricsServiceRequest::decode(body).unwrap();
            let resource =
                request.resource_metrics.first().and_then(|of| of.resource.clone()).unwrap_or_default();
            keep.metrics.push((attribute(&resource.attributes, "service.name"), request));
        }
        other => panic!("nothing is sent to {other}"),
    }
}
