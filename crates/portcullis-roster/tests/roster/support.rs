use std::time::Duration;

use portcullis_roster::{Block, Person, PersonId};

pub(crate) fn id(subject: &str) -> PersonId {
    PersonId::new("https://id.example", subject)
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn seen(subject: &str, at: u64) -> Person {
    Person::seen(id(subject), seconds(at))
}

pub(crate) fn block(subject: &str) -> Block {
    Block::new(id(subject), seconds(1_795_248_000))
}

pub(crate) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}
