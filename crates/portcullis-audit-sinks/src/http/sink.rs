//! The sink that all collectors over HTTP share.

use std::fmt;
use std::io;

use http::HeaderMap;
use portcullis_audit::{Record, Sink};
use portcullis_core::Clock;

use super::batch::Batch;
use super::client::Client;
#[cfg(feature = "http")]
use super::lines;
#[cfg(feature = "otlp")]
use super::otlp;
#[cfg(feature = "http")]
use super::splunk;
use crate::Retry;
use crate::fields::{Fields, trim};
use crate::outbox::Outbox;
use crate::retry::{Carrier, Fault};

/// Sends records to a collector over HTTP; made by the `build` of the collector's settings.
///
/// What a flush promises is in the table of the [crate docs](crate#what-on-record-means).
pub struct HttpSink {
    outbox: Outbox<Post>,
    form: Form,
    clock: Clock,
}

/// How records are written for a collector, and what its answers mean.
#[derive(Clone, Debug)]
pub(super) enum Form {
    #[cfg(feature = "http")]
    Lines(lines::Form),
    #[cfg(feature = "http")]
    Splunk(splunk::Form),
    #[cfg(feature = "otlp")]
    Otlp(otlp::Form),
}

/// Posts batches.
pub(super) struct Post {
    client: Client,
    path: String,
    headers: HeaderMap,
    form: Form,
}

impl HttpSink {
    pub(super) fn new(
        form: Form,
        (client, path, headers): (Client, String, HeaderMap),
        retry: Retry,
    ) -> Self {
        let post = Post { client, path, headers, form: form.clone() };
        Self { outbox: Outbox::new(post, retry), form, clock: Clock::system() }
    }
}

impl Sink for HttpSink {
    fn write(&mut self, record: &Record, line: &[u8]) -> io::Result<()> {
        let line = trim(line);
        let fields = Fields::of(line);
        let at = fields.at().unwrap_or_else(|| self.clock.unix());
        let id = record.event_id().to_string();
        // Twice the line is more than any form adds.
        let batch = self.outbox.room(line.len().saturating_mul(2).saturating_add(1024));
        match &self.form {
            #[cfg(feature = "http")]
            Form::Lines(_) => lines::append(batch, line),
            #[cfg(feature = "http")]
            Form::Splunk(form) => form.append(batch, at, line)?,
            #[cfg(feature = "otlp")]
            Form::Otlp(_) => otlp::append(batch, record.kind(), &id, at, &fields, line)?,
        }
        batch.records += 1;
        batch.first.get_or_insert_with(|| format!("{id}.{}", record.kind()));
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.outbox.flush()
    }

    fn close(&mut self) -> io::Result<()> {
        self.outbox.close();
        Ok(())
    }
}

impl Carrier for Post {
    type Batch = Batch;

    async fn carry(&mut self, batch: &Batch) -> Result<(), Fault> {
        let headers = self.headers.clone();
        match &self.form {
            #[cfg(feature = "http")]
            Form::Lines(_) => {
                let headers = lines::with_key(headers, batch);
                let body = bytes::Bytes::copy_from_slice(&batch.body);
                lines::judge(&self.client.post(&self.path, headers, body).await?)
            }
            #[cfg(feature = "http")]
            Form::Splunk(form) => form.carry(&mut self.client, &self.path, headers, batch).await,
            #[cfg(feature = "otlp")]
            Form::Otlp(form) => {
                let body = form.body(batch);
                otlp::judge(&self.client.post(&self.path, headers, body).await?)
            }
        }
    }

    fn hang_up(&mut self) {
        self.client.hang_up();
    }
}

impl fmt::Debug for HttpSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSink").field("outbox", &self.outbox).finish_non_exhaustive()
    }
}
