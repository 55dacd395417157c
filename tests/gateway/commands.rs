//! Commands as servers, and servers that want a credential of the gateway's.

use std::time::Duration;

use rustix::process::{Pid, Signal, test_kill_process};

use crate::ask::{bearer, call, list, send};
use crate::rig::{FILE, Folder, Gateway, PATIENCE, RESOURCE, Rig};

/// Answers each request with its own number and environment, and writes a file at its orderly end.
const SERVER: &str = r#"while read -r line; do
  id=$(printf %s "$line" | /bin/sed -n 's/.*"id":\("[^"]*"\|[0-9]*\).*/\1/p')
  case $line in
    *tools/call*) text="$$ $KEY $(/usr/bin/env | /usr/bin/cut -d= -f1 | /usr/bin/tr '\n' ' ')"
      echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"resultType\":\"complete\",\"content\":[{\"type\":\"text\",\"text\":\"$text\"}]}}" ;;
    *) test -n "$id" && echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"resultType\":\"complete\"}}" ;;
  esac
done
echo bye >"$0.$$""#;

#[tokio::test]
async fn everybody_has_a_process_of_their_own_and_none_stays() {
    let folder = Folder::new();
    folder.write("server.sh", SERVER);
    folder.write("secret", "open-sesame");
    let script = folder.path("server.sh");
    let upstream = format!(
        "stdio: {{ command: /bin/sh, args: [\"{}\"], env: {{ LANG: C }}, secret_env: {{ KEY: key }} }}",
        script.display()
    );
    let file = FILE.replace("http: { url: \"http://UPSTREAM/mcp\" }", &upstream);
    folder.write("gateway.yaml", &format!("{file}secrets: {{ key: {{ file: secret }} }}\n"));
    let mut gateway = Gateway::start(&folder.path("gateway.yaml")).await;
    let address = gateway.address().await;
    let says = async |subject: &str| {
        let token = folder.mint.token().audience(RESOURCE).subject(subject).sign();
        let reply = send(address, bearer(call("read_note"), &token)).await;
        assert_eq!(reply.status(), 200, "{}", reply.text());
        let text = reply.json()["result"]["content"][0]["text"].as_str().unwrap().to_owned();
        let (number, rest) = text.split_once(' ').unwrap();
        (number.parse::<i32>().unwrap(), rest.to_owned())
    };
    let (ritas, rest) = says("rita").await;
    assert!(rest.starts_with("open-sesame "), "{rest}");
    assert!(
        !rest.contains("PATH_INFO") && !rest.contains("CARGO") && !rest.contains("HOME"),
        "{rest}"
    );
    let (omars, _) = says("omar").await;
    assert_ne!(ritas, omars);
    assert_eq!(says("rita").await.0, ritas, "hers is kept");

    gateway.signal(Signal::TERM);
    assert!(gateway.ended().await.success());
    for number in [ritas, omars] {
        let gone = async {
            while test_kill_process(Pid::from_raw(number).unwrap()).is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.expect("no process stays");
        assert_eq!(folder.read(&format!("server.sh.{number}")), "bye\n", "it was not killed");
    }
    assert!(!folder.read("audit.jsonl").contains("open-sesame"));
}

#[tokio::test]
async fn a_shared_credential_is_sent_and_is_on_record() {
    let folder = Folder::new();
    folder.write("secret", "open-sesame");
    let credential = "/mcp\", danger_shared_credential: { header: Authorization, scheme: Bearer, secret: key } } }";
    let file = FILE.replace("/mcp\" } }", credential);
    let file = format!(
        "{file}secrets: {{ key: {{ file: secret }} }}\nidentity: {{ headers: {{ family: auth-request }} }}\n"
    );
    let rig = Rig::with(folder, &file).await;
    let token = rig.folder.mint.token().audience(RESOURCE).subject("rita").sign();
    let forged = crate::ask::with(bearer(list(), &token), "x-auth-request-user", "root");
    assert_eq!(send(rig.address, forged).await.status(), 200);
    let seen = rig.upstream.last();
    assert_eq!(seen.headers["authorization"], "Bearer open-sesame");
    let users: Vec<_> = seen.headers.get_all("x-auth-request-user").iter().collect();
    assert_eq!(users, ["https://auth.example.com#rita"]);
    let marked = async {
        while !rig.folder.read("audit.jsonl").contains("\"cred_source\":\"shared\"") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, marked).await.expect("it is on record");
    assert!(!rig.folder.read("audit.jsonl").contains("open-sesame"));
    assert!(!rig.gateway.log.so_far().contains("open-sesame"));
}
