//! Random messages for properties.

use quickcheck::{Arbitrary, Gen};

use super::{DataMessage, MAX_CONTENT_BYTES, MAX_SENDER_BYTES};
use crate::text::head;

/// Most are short; one in eight is as long as may be, or nearly.
impl Arbitrary for DataMessage {
    fn arbitrary(g: &mut Gen) -> Self {
        let sender = String::arbitrary(g);
        let mut content = String::arbitrary(g);
        if u8::arbitrary(g).is_multiple_of(8) {
            content = format!("{content}x");
            content = content.repeat(usize::arbitrary(g) % (70_000 / content.len()));
        }
        Self {
            sender: head(&sender, MAX_SENDER_BYTES).to_owned(),
            content: head(&content, MAX_CONTENT_BYTES).to_owned(),
            timestamp: u64::arbitrary(g),
            nonce: u64::arbitrary(g),
        }
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        let whole = self.clone();
        let half = self.content.len() / 2;
        let shorter =
            (half > 0).then(|| Self { content: head(&self.content, half).to_owned(), ..whole.clone() });
        Box::new(shorter.into_iter().chain(
            self.sender.shrink().map(move |sender| Self {
                sender: head(&sender, MAX_SENDER_BYTES).to_owned(),
                ..whole.clone()
            }),
        ))
    }
}
