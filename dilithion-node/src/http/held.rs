//! An answer's body that keeps its connection marked as being answered until its last part is taken.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

use super::app::App;
use super::slots::Answering;

/// A body, with the mark.
pub(super) struct Held {
    body: Body,
    answering: Answering,
    app: App,
}

impl Held {
    pub(super) fn new(body: Body, answering: Answering, app: App) -> Self {
        Self { body, answering, app }
    }
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_ready() {
            self.answering.touch(self.app.node.now().mono);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
