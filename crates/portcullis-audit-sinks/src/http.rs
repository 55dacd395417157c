//! Collectors over HTTP.

mod batch;
mod client;
#[cfg(feature = "http")]
mod lines;
#[cfg(feature = "otlp")]
mod otlp;
mod settings;
mod sink;
#[cfg(feature = "http")]
mod splunk;

#[cfg(feature = "http")]
pub use lines::HttpLines;
#[cfg(feature = "otlp")]
pub use otlp::Otlp;
pub use sink::HttpSink;
#[cfg(feature = "http")]
pub use splunk::Splunk;
