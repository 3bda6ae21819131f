//! The page: one text, put together when the master is built, with a policy that allows its own style
//! and script and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = concat!(
    include_str!("page/draw.js"),
    include_str!("page/fleet.js"),
    include_str!("page/follow.js"),
);
const HTML: &str = concat!(
    include_str!("page/head.html"),
    "<style>",
    include_str!("page/page.css"),
    "</style>\n",
    include_str!("page/body.html"),
    "<script>",
    include_str!("page/draw.js"),
    include_str!("page/fleet.js"),
    include_str!("page/follow.js"),
    "</script>\n</html>\n",
);

pub(super) struct Page {
    /// All of it.
    pub(super) html: &'static str,
    /// The header line that goes with it.
    pub(super) policy: String,
}

impl Page {
    pub(super) fn new() -> Self {
        let policy = format!(
            "content-security-policy: default-src 'none'; script-src 'sha256-{}'; \
             style-src 'sha256-{}'; connect-src 'self'; img-src data:; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'\r\n",
            hash(SCRIPT),
            hash(STYLE)
        );
        Self { html: HTML, policy }
    }
}

fn hash(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text))
}
