//! Where records go.

use portcullis_test::{FakeMcp, serve};
use tokio::time::timeout;

use crate::ask::{bearer, list, send};
use crate::rig::{FILE, Folder, PATIENCE, Rig};

#[tokio::test]
async fn a_collector_gets_the_records_with_the_secret_that_it_wants() {
    let folder = Folder::new();
    folder.write("secret", "open-sesame");
    let collector = FakeMcp::json("{}");
    let server = serve(collector.clone()).await;
    let url = server.url("/collect");
    let sink = format!("{{ http: {{ url: \"{url}\", bearer_token: collector }} }}");
    let file = FILE.replace("sinks: [", &format!("sinks: [{sink}, "));
    let file = format!("{file}secrets: {{ collector: {{ file: secret }} }}\n");
    let rig = Rig::with(folder, &file).await;
    assert_eq!(send(rig.address, bearer(list(), &rig.token())).await.status(), 200);
    let got = async {
        let said = |seen: &portcullis_test::Seen| {
            String::from_utf8_lossy(&seen.body).contains("\"decision\":\"allow\"")
        };
        let mut count = 1;
        loop {
            collector.arrived(count).await;
            if let Some(seen) = collector.seen().into_iter().find(said) {
                return seen;
            }
            count = collector.count() + 1;
        }
    };
    let seen = timeout(PATIENCE, got).await.expect("the record arrives");
    assert_eq!(seen.headers["authorization"], "Bearer open-sesame");
}
