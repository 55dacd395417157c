//! Syslog (RFC 5424), framed by octet counting (RFC 5425 §4.3, RFC 6587 §3.4.1).

mod frame;
mod line;

use std::fmt;
use std::io;

use portcullis_audit::{Record, Sink};
use portcullis_core::Clock;
use portcullis_dial::{Dialer, Tls};

use crate::fields::{Fields, trim};
use crate::outbox::Outbox;
use crate::{ConfigError, Retry};
use frame::Header;
use line::Line;

/// Where a syslog collector is, and what to tell it; makes a [`SyslogSink`].
///
/// The message of RFC 5424 is the record's own line. Beside it, structured data has the fixed words of
/// a record (`event_id`, `record`, `decision`, `reason`, `method`, `result_type`, `http_status`) and whom the
/// identity provider named (`iss`, `sub`); the message id is the kind of the record.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent until a sink is built and handed to the audit layer"]
pub struct Syslog {
    host: String,
    port: u16,
    tls: Option<Tls>,
    plain: bool,
    facility: u8,
    hostname: Option<String>,
    app_name: String,
    enterprise: u32,
    retry: Retry,
}

impl Syslog {
    /// A collector that takes syslog over TLS (RFC 5425); its port is usually 6514.
    pub fn tls(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            tls: Some(Tls::platform()),
            plain: false,
            facility: 13,
            hostname: None,
            app_name: "portcullis".into(),
            enterprise: 32473,
            retry: Retry::new(),
        }
    }

    /// A collector on this machine that takes syslog over plain TCP (RFC 6587): an agent that passes it
    /// on.
    pub fn local_tcp(host: impl Into<String>, port: u16) -> Self {
        Self { tls: None, ..Self::tls(host, port) }
    }

    /// As [`local_tcp`](Self::local_tcp), for any host.
    ///
    /// Danger: whoever is on the way can read and change the records.
    pub fn danger_plain_tcp(host: impl Into<String>, port: u16) -> Self {
        Self { plain: true, ..Self::local_tcp(host, port) }
    }

    /// How the collector is known, and how it knows us; by the platform's root certificates if this is not
    /// called. Of no effect on plain TCP.
    pub fn trust(mut self, tls: Tls) -> Self {
        if self.tls.is_some() {
            self.tls = Some(tls);
        }
        self
    }

    /// The facility, 0 to 23 (RFC 5424 §6.2.1): 13, `log audit`, by default.
    pub fn facility(mut self, facility: u8) -> Self {
        self.facility = facility;
        self
    }

    /// This machine's name in messages. By default what `/etc/hostname` says, or none.
    pub fn hostname(mut self, name: impl Into<String>) -> Self {
        self.hostname = Some(name.into());
        self
    }

    /// This program's name in messages: `portcullis` by default.
    pub fn app_name(mut self, name: impl Into<String>) -> Self {
        self.app_name = name.into();
        self
    }

    /// Your private enterprise number, which makes the name of the structured data your own
    /// (`portcullis@NUMBER`, RFC 5424 §7.2.2). By default it is 32473, the number for examples.
    pub fn enterprise_number(mut self, number: u32) -> Self {
        self.enterprise = number;
        self
    }

    /// How patient the sink is.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// The sink. It connects when the first record comes.
    ///
    /// # Errors
    /// Plain TCP to another machine; no library for TLS; a facility above 23; a name that RFC 5424 does
    /// not allow.
    pub fn build(self) -> Result<SyslogSink, ConfigError> {
        self.retry.check()?;
        if self.facility > 23 {
            return Err(ConfigError::new("the facility of syslog is 23 at most"));
        }
        let dialer = match &self.tls {
            Some(tls) => Dialer::tls(&self.host, self.port, tls)?,
            None if self.plain || Dialer::is_loopback(&self.host) => {
                Dialer::plain(&self.host, self.port)?
            }
            None => {
                return Err(ConfigError::new("syslog without TLS is for this machine alone"));
            }
        };
        let hostname = self.hostname.unwrap_or_else(frame::own_name);
        let header = Header::new(self.facility, hostname, self.app_name, self.enterprise)?;
        let outbox = Outbox::new(Line::new(dialer, self.retry.batch_bytes), self.retry);
        Ok(SyslogSink { outbox, header, clock: Clock::system() })
    }
}

/// Sends records to a syslog collector; made by [`Syslog::build`].
///
/// Syslog has no acknowledgements. A flush succeeds when the operating system has taken every byte for a
/// connection that the far side had not closed. A connection that breaks is made anew, and what was sent in
/// its last 5 seconds is sent again, 1 MiB at most: collectors tell by `event_id` what they have.
pub struct SyslogSink {
    outbox: Outbox<Line>,
    header: Header,
    clock: Clock,
}

impl Sink for SyslogSink {
    fn write(&mut self, record: &Record, line: &[u8]) -> io::Result<()> {
        let line = trim(line);
        let fields = Fields::of(line);
        let at = fields.at().unwrap_or_else(|| self.clock.unix());
        let id = record.event_id().to_string();
        let frame = self.header.frame(record.kind(), &id, at, &fields, line);
        self.outbox.room(frame.len()).extend_from_slice(&frame);
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

impl fmt::Debug for SyslogSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyslogSink").field("outbox", &self.outbox).finish_non_exhaustive()
    }
}
