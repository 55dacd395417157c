//! Who signs tokens.

use std::time::Duration;

use portcullis::testing::Authority;

pub async fn run(resources: &[&str]) {
    let authority = Authority::start().await.unwrap();
    println!("{}", authority.name());
    for resource in resources {
        let token = authority.token(resource).subject("rita").group("staff").scope("mcp:read");
        println!("{}", token.lifetime(Duration::from_secs(24 * 60 * 60)).sign());
    }
    std::future::pending::<()>().await;
}
