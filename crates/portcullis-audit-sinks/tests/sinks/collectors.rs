//! Against collectors that others made: `tests/stores/run` installs them.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use portcullis_audit_sinks::{Otlp, Retry, Syslog, Tls};

use crate::records::{Made, deliver, id, records};

/// A program, ended when dropped.
struct Running(Child);

impl Running {
    /// Starts `command` and waits until `port` answers.
    fn start(command: &mut Command, port: u16) -> Self {
        let child = command.stdin(Stdio::null()).spawn();
        let running = Self(child.expect("not installed: tests/stores/run does that"));
        wait(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
        running
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for another program, which tells us nothing.
fn wait(mut until: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !until() {
        assert!(Instant::now() < deadline, "it did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn patient() -> Retry {
    Retry::new().timeout(Duration::from_secs(10)).patience(Duration::from_secs(60))
}

fn rsyslogd(folder: &Path, port: u16) -> Running {
    let folder = folder.display();
    // What it made of each message, part by part.
    let settings = format!(
        r#"global(workDirectory="{folder}" DefaultNetstreamDriver="gtls"
    DefaultNetstreamDriverCAFile="{folder}/ca.pem" DefaultNetstreamDriverCertFile="{folder}/ca.pem"
    DefaultNetstreamDriverKeyFile="{folder}/key.pem")
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
template(name="parts" type="string"
    string="%syslogfacility%|%syslogseverity%|%hostname%|%app-name%|%msgid%|%structured-data%|%msg%\n")
action(type="omfile" file="{folder}/out" template="parts" asyncWriting="off" flushOnTXEnd="on")
input(type="imtcp" address="127.0.0.1" port="{port}")
"#
    );
    let path = format!("{folder}/rsyslog.conf");
    std::fs::write(&path, settings).unwrap();
    let pid = format!("{folder}/pid");
    let _ = std::fs::remove_file(&pid);
    Running::start(Command::new("rsyslogd").args(["-n", "-f", &path, "-i", &pid]), port)
}

fn has_all(out: &Path, made: &[Made]) -> bool {
    let text = std::fs::read_to_string(out).unwrap_or_default();
    made.iter().all(|made| text.contains(made.1.trim_end()))
}

#[test]
#[ignore = "tests/stores/run starts it"]
fn rsyslog_over_tls_reads_what_is_meant_and_gets_all_of_it_though_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.path().join("ca.pem"), certificate.cert.pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), certificate.signing_key.serialize_pem()).unwrap();
    let (out, port) = (folder.path().join("out"), free_port());
    let mut collector = rsyslogd(folder.path(), port);

    let tls = Tls::authorities(certificate.cert.pem()).unwrap();
    let sink = Syslog::tls("localhost", port).trust(tls).hostname("gate-1").retry(patient());
    let mut sink = sink.build().unwrap();
    let made = records(400);
    deliver(&mut sink, &made[..2]).unwrap();
    wait(|| has_all(&out, &made[..2]));
    let text = std::fs::read_to_string(&out).unwrap();
    let parts: Vec<&str> = text.lines().next().unwrap().splitn(7, '|').collect();
    assert_eq!(parts[..5], ["13", "5", "gate-1", "portcullis", "decision"]);
    assert!(parts[5].starts_with(&format!("[portcullis@32473 event_id=\"{}\"", id(&made[0]))));
    assert!(parts[5].ends_with("sub=\"al\u{fffd}ice\u{fffd}\\\"\\]\"]"), "{}", parts[5]);
    assert_eq!(parts[6].trim_start(), made[0].1.trim_end());

    for group in made[2..200].chunks(10) {
        deliver(&mut sink, group).unwrap();
    }
    collector.kill();
    let _again = rsyslogd(folder.path(), port);
    for group in made[200..].chunks(10) {
        deliver(&mut sink, group).unwrap();
    }
    wait(|| has_all(&out, &made));
}

/// The collector that the script installs, from a Python package.
fn rotel() -> PathBuf {
    std::env::var_os("STORES_ROTEL").expect("tests/stores/run says where it is").into()
}

#[test]
#[ignore = "tests/stores/run starts it"]
fn an_opentelemetry_collector_takes_log_records() {
    let folder = tempfile::tempdir().unwrap();
    let (out, http, grpc) = (folder.path().join("out"), free_port(), free_port());
    let mut command = Command::new(rotel());
    command.args(["start", "--exporter", "blackhole", "--debug-log", "logs"]);
    command.args(["--debug-log-verbosity", "detailed"]);
    command.args(["--otlp-http-endpoint", &format!("127.0.0.1:{http}")]);
    command.args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}")]);
    let file = std::fs::File::create(&out).unwrap();
    command.stderr(file.try_clone().unwrap()).stdout(file).current_dir(folder.path());
    let _collector = Running::start(&mut command, http);

    let sink =
        Otlp::new(format!("http://127.0.0.1:{http}")).service_name("gate-1").retry(patient());
    let mut sink = sink.build().unwrap();
    let made = records(6);
    deliver(&mut sink, &made).unwrap();
    wait(|| {
        let text = std::fs::read_to_string(&out).unwrap();
        made.iter().all(|made| text.contains(&id(made)))
    });
    let text = std::fs::read_to_string(&out).unwrap();
    assert!(text.contains("gate-1") && text.contains("challenge"), "{text}");
}
