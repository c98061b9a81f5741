use std::collections::BTreeMap;

use gotemplate::{Data, Missing, Template};
use logdriver::{LogOpts, extra_attributes};
use serde_json::json;

use crate::ShipError;

/// A shortened id has so many characters (a prefix `sha256:` counts, as in Docker).
pub const SHORT_ID: usize = 12;

/// What a log driver knows about a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Info {
    /// The options of the driver.
    pub opts: LogOpts,
    /// Id of the container.
    pub id: String,
    /// Its name, without a slash.
    pub name: String,
    /// Its program …
    pub path: String,
    /// … and arguments.
    pub args: Vec<String>,
    /// Id of its image, as `sha256:…`.
    pub image_id: String,
    /// The image as the user named it.
    pub image_name: String,
    /// When it was made, in nanoseconds since 1970 UTC.
    pub created_at: i64,
    /// Its environment, `K=V`.
    pub env: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Name of this host.
    pub hostname: String,
}

impl Info {
    /// The value of the option `tag`, or the short id.
    ///
    /// # Errors
    /// A template that is none.
    pub fn tag(&self) -> Result<String, ShipError> {
        let text = self.opts.get("tag").filter(|t| !t.is_empty()).map_or("{{.ID}}", String::as_str);
        let named = |e: String| {
            // Docker's template has a name.
            let e = e.replacen("template: :", "template: log-tag:", 1).replacen(
                "executing \"\"",
                "executing \"log-tag\"",
                1,
            );
            ShipError::Tag(e)
        };
        let template = Template::parse(text).map_err(|e| named(e.to_string()))?;
        let value = self.value();
        let data = Data {
            value: &value,
            type_name: "*logger.Info",
            missing: Missing::Field,
            optional: &[],
            maps: &["Config", "ContainerLabels"],
            method: None,
        };
        template.execute(&data).map_err(|e| named(e.to_string()))
    }

    /// Labels and variables that the options choose, with the keys that `key` makes of theirs.
    pub(crate) fn extra(&self, key: impl Fn(&str) -> String) -> Result<BTreeMap<String, String>, ShipError> {
        let chosen = extra_attributes(&self.opts, &self.labels, &self.env)?;
        Ok(chosen.into_iter().map(|(k, v)| (key(k), v.to_owned())).collect())
    }

    /// Program and arguments.
    pub(crate) fn command(&self) -> String {
        std::iter::once(&self.path).chain(&self.args).map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn short_id(&self) -> &str {
        self.id.get(..SHORT_ID).unwrap_or(&self.id)
    }

    /// When the container was made, in UTC.
    pub(crate) fn created(&self) -> String {
        logdriver::format_rfc3339_nano(self.created_at)
    }

    fn value(&self) -> serde_json::Value {
        json!({
            "ID": self.short_id(),
            "FullID": self.id,
            "Name": self.name,
            "ImageID": self.image_id.get(..SHORT_ID).unwrap_or(&self.image_id),
            "ImageFullID": self.image_id,
            "ImageName": self.image_name,
            "Command": self.command(),
            "Hostname": self.hostname,
            "DaemonName": "docker",
            "Config": self.opts,
            "ContainerID": self.id,
            "ContainerName": format!("/{}", self.name),
            "ContainerEntrypoint": self.path,
            "ContainerArgs": self.args,
            "ContainerImageID": self.image_id,
            "ContainerImageName": self.image_name,
            "ContainerCreated": self.created(),
            "ContainerEnv": self.env,
            "ContainerLabels": self.labels,
            "LogPath": "",
        })
    }
}

#[cfg(test)]
pub(crate) fn example() -> Info {
    Info {
        id: "0123456789abcdef".repeat(4),
        name: "web".to_owned(),
        path: "sh".to_owned(),
        args: vec!["-c".to_owned(), "x".to_owned()],
        image_id: "sha256:fedcba9876543210".to_owned(),
        image_name: "busybox:1".to_owned(),
        created_at: 1_700_000_000_123_000_000,
        env: vec!["A=1".to_owned(), "B=2".to_owned()],
        labels: [("my.label".to_owned(), "yes".to_owned())].into(),
        hostname: "host".to_owned(),
        opts: LogOpts::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_templates() {
        let tag = |text: &str| {
            let opts = [("tag".to_owned(), text.to_owned())].into();
            Info { opts, ..example() }.tag().map_err(|e| e.to_string())
        };
        assert_eq!(tag(""), Ok("0123456789ab".to_owned()));
        assert_eq!(tag("{{.Name}}/{{.ImageName}}/{{.ImageID}}"), Ok("web/busybox:1/sha256:fedcb".to_owned()));
        assert_eq!(tag("{{.DaemonName}} {{.Command}} {{.FullID}}"), Ok(format!("docker sh -c x {}", example().id)));
        assert_eq!(tag("{{ index .ContainerLabels \"my.label\" }}{{.ContainerName}}"), Ok("yes/web".to_owned()));
        assert_eq!(
            tag("{{.x}}"),
            Err("template: log-tag:1:2: executing \"log-tag\" at <.x>: can't evaluate field x in type *logger.Info"
                .to_owned())
        );
        assert_eq!(tag("{{.x"), Err("template: log-tag:1: unclosed action".to_owned()));
    }
}
