//! A manifest of a list, as it lies in a file and as `inspect --verbose` shows it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oci::image::{Descriptor, media_type};
use serde_json::Value;

use crate::failure::{Failure, Result};
use crate::reference::Reference;

/// One manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where it came from.
    pub(super) name: Reference,
    /// What it is, and for which platform.
    pub(super) descriptor: Descriptor,
    /// The document itself.
    pub(super) raw: Vec<u8>,
}

impl Entry {
    /// Reads what [`Self::to_json`] wrote, or Docker.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let bad = |why: &str| Failure::new(format!("invalid manifest file: {why}"));
        let value: Value = serde_json::from_str(text).map_err(|e| bad(&e.to_string()))?;
        let name = Reference::parse(value["Ref"].as_str().unwrap_or_default())?;
        let descriptor: Descriptor =
            serde_json::from_value(value["Descriptor"].clone()).map_err(|e| bad(&e.to_string()))?;
        let raw = value["Raw"].as_str().ok_or_else(|| bad("no document"))?;
        let raw = STANDARD.decode(raw).map_err(|e| bad(&e.to_string()))?;
        let digest = content::Hasher::digest(&raw).to_string();
        if digest != descriptor.digest {
            let (name, want) = (name.full(), &descriptor.digest);
            return Err(Failure::new(format!("internal digest mismatch for {name}: expected {want}, got {digest}")));
        }
        Ok(Self { name, descriptor, raw })
    }

    /// JSON in Docker's form. The document is in it as it is, with its own white space.
    pub(super) fn to_json(&self) -> String {
        let kind =
            if self.descriptor.media_type == media_type::OCI_MANIFEST { "OCIManifest" } else { "SchemaV2Manifest" };
        format!(
            "{{\"Ref\":{},\"Descriptor\":{},\"Raw\":\"{}\",\"{kind}\":{}}}",
            Value::String(self.name.full()),
            serde_json::to_string(&self.descriptor).unwrap_or_default(),
            STANDARD.encode(&self.raw),
            String::from_utf8_lossy(&self.raw).trim()
        )
    }

    /// Digests of the config and the layers.
    pub(super) fn blobs(&self) -> Vec<String> {
        let value: Value = serde_json::from_slice(&self.raw).unwrap_or_default();
        let layers = value["layers"].as_array().into_iter().flatten();
        let all = std::iter::once(&value["config"]).chain(layers);
        all.filter_map(|d| d["digest"].as_str().map(str::to_owned)).collect()
    }
}

/// JSON with other white space, everything else as it was (Go's `json.Indent`).
pub(super) fn indented(json: &str, indent: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let (mut in_string, mut escaped, mut opened) = (false, false, false);
    let newline = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n(indent, depth));
    };
    for c in json.chars() {
        if in_string {
            out.push(c);
            in_string = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            continue;
        }
        if c.is_ascii_whitespace() {
            continue;
        }
        if opened && !matches!(c, ']' | '}') {
            newline(&mut out, depth);
        }
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                if !opened {
                    newline(&mut out, depth);
                }
            }
            _ => {}
        }
        opened = matches!(c, '{' | '[');
        out.push(c);
        match c {
            ',' => newline(&mut out, depth),
            ':' => out.push(' '),
            '"' => in_string = true,
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_laid_out_anew() {
        let text = r#"{ "a" :[1, 2,{"b":"x\"{, \\"}],"e":{},"f":[ ] }"#;
        let want = "{\n\t\"a\": [\n\t\t1,\n\t\t2,\n\t\t{\n\t\t\t\"b\": \"x\\\"{, \\\\\"\n\t\t}\n\t],\n\t\"e\": {},\n\t\"f\": []\n}";
        assert_eq!(indented(text, "\t"), want);
        assert_eq!(indented(want, "\t"), want);
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let raw = br#"{"schemaVersion": 2, "config":{"digest":"sha256:c"},"layers":[{"digest":"sha256:l"}]}"#.to_vec();
        let descriptor = Descriptor {
            media_type: media_type::OCI_MANIFEST.to_owned(),
            digest: content::Hasher::digest(&raw).to_string(),
            size: i64::try_from(raw.len()).unwrap_or(0),
            ..Descriptor::default()
        };
        let entry = Entry { name: Reference::parse("h:5000/a:1").expect("a name"), descriptor, raw };
        assert_eq!(Entry::parse(&entry.to_json()).expect("an entry"), entry);
        assert_eq!(entry.blobs(), ["sha256:c", "sha256:l"]);
        let forged = entry.to_json().replace(&entry.descriptor.digest, &format!("sha256:{}", "0".repeat(64)));
        assert!(Entry::parse(&forged).expect_err("forged").text.starts_with("internal digest mismatch"));
    }
}
