//! A PostgreSQL server of a test's own, from the programs that Debian installs.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A PostgreSQL server in a temporary folder, on 127.0.0.1; stopped and removed when dropped.
///
/// PostgreSQL refuses to run as root: then it runs as the user `postgres`.
pub struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    as_postgres: bool,
}

impl Cluster {
    /// Starts one that trusts everybody on this machine, and whose superuser is `postgres`.
    ///
    /// # Panics
    /// PostgreSQL is not installed, or does not start.
    pub fn start() -> Self {
        let cluster = Self::init();
        cluster.start_again();
        cluster
    }

    /// Starts one that takes nothing but TLS, with this certificate and key in PEM form, and passwords.
    pub fn start_tls(certificate: &str, key: &str) -> Self {
        let cluster = Self::init();
        let data = cluster.folder.join("data");
        std::fs::write(data.join("server.crt"), certificate).unwrap();
        std::fs::write(data.join("server.key"), key).unwrap();
        let rules = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(data.join("pg_hba.conf"), rules).unwrap();
        cluster.configure("ssl = on\n");
        cluster.own();
        let key = data.join("server.key");
        check("chmod", Command::new("chmod").arg("600").arg(key).output());
        cluster.start_again();
        cluster
    }

    /// From now on lets `role` in with its password alone.
    pub fn only_by_password(&self, role: &str) {
        let data = self.folder.join("data");
        let rules = format!("host all {role} 127.0.0.1/32 scram-sha-256\n");
        let others = "local all all trust\nhost all all 127.0.0.1/32 trust\n";
        std::fs::write(data.join("pg_hba.conf"), rules + others).unwrap();
        self.own();
        self.sql("SELECT pg_reload_conf()");
    }

    fn init() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
            .expect("PostgreSQL is not installed: tests/stores/run does that")
            .map(|entry| entry.unwrap().path().join("bin"))
            .collect();
        versions.sort();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = format!("portcullis-pg-{}-{count}", std::process::id());
        let who = Command::new("id").arg("-u").output().unwrap();
        let cluster = Self {
            folder: std::env::temp_dir().join(folder),
            programs: versions.pop().expect("a version of PostgreSQL"),
            port: free_port(),
            as_postgres: who.stdout.trim_ascii() == b"0",
        };
        std::fs::create_dir(&cluster.folder).unwrap();
        cluster.own();
        let data = cluster.folder.join("data");
        let data = data.to_str().unwrap();
        check(
            "initdb",
            cluster.run("initdb", &["-D", data, "-A", "trust", "-U", "postgres", "-N"]),
        );
        let folder = cluster.folder.display();
        cluster.configure(&format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{folder}'\n",
            cluster.port
        ));
        cluster
    }

    fn configure(&self, text: &str) {
        use std::io::Write as _;
        let path = self.folder.join("data/postgresql.conf");
        let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn own(&self) {
        if self.as_postgres {
            let folder = self.folder.as_os_str();
            check("chown", Command::new("chown").arg("-R").arg("postgres:").arg(folder).output());
        }
    }

    fn run(&self, program: &str, arguments: &[&str]) -> std::io::Result<Output> {
        let program = self.programs.join(program);
        let mut command = if self.as_postgres {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null()).output()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL for `user` of the database `postgres`.
    pub fn url(&self, user: &str) -> String {
        format!("postgresql://{user}@127.0.0.1:{}/postgres", self.port)
    }

    /// What `sql` brings, as the superuser: a row on each line, columns with `|` between.
    pub fn sql(&self, sql: &str) -> String {
        let host = self.folder.to_str().unwrap();
        let port = self.port.to_string();
        let arguments = [
            "-X",
            "-At",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
            "-h",
            host,
            "-p",
            &port,
            "-c",
            sql,
        ];
        let output = check("psql", self.run("psql", &arguments));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Stops it as a crash would: nothing is finished, nobody is told.
    pub fn kill(&self) {
        let data = self.folder.join("data");
        let arguments = ["-D", data.to_str().unwrap(), "-m", "immediate", "-w", "stop"];
        check("pg_ctl", self.run("pg_ctl", &arguments));
    }

    /// Starts it after it was killed.
    pub fn start_again(&self) {
        let (data, log) = (self.folder.join("data"), self.folder.join("log"));
        let (data, log) = (data.to_str().unwrap(), log.to_str().unwrap());
        check("pg_ctl", self.run("pg_ctl", &["-D", data, "-l", log, "-w", "start"]));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.folder.join("data");
        let _ =
            self.run("pg_ctl", &["-D", data.to_str().unwrap(), "-m", "immediate", "-w", "stop"]);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A port that nobody has, at the moment.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn check(name: &str, output: std::io::Result<Output>) -> Output {
    let output = output.unwrap_or_else(|error| panic!("{name}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} failed: {said}");
    output
}
