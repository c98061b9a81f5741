//! `--security-opt`.

use crate::BundleError;

/// Which system call filter a container gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SeccompChoice {
    /// The daemon's default.
    #[default]
    Default,
    /// Docker's built-in profile.
    Builtin,
    /// None.
    Unconfined,
    /// A profile as JSON (clients send the contents of the file).
    Profile(String),
}

/// The security options of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Security {
    /// `no-new-privileges[=…]`.
    pub no_new_privileges: Option<bool>,
    /// `seccomp=…`.
    pub seccomp: SeccompChoice,
    /// `apparmor=…`.
    pub apparmor: Option<String>,
    /// `label=…`.
    pub labels: Vec<String>,
    /// `writable-cgroups=…`.
    pub writable_cgroups: Option<bool>,
}

impl Security {
    /// Reads the options.
    ///
    /// # Errors
    /// [`BundleError::SecurityOpt`], [`BundleError::SecurityOptValue`].
    pub fn parse(options: &[String]) -> Result<Self, BundleError> {
        let mut out = Self::default();
        for option in options {
            if option == "no-new-privileges" {
                out.no_new_privileges = Some(true);
                continue;
            }
            if option == "disable" {
                out.labels.push("disable".to_owned());
                continue;
            }
            // Docker ≤ 1.10 wrote `key:value`.
            let (key, value) = option
                .split_once('=')
                .or_else(|| option.split_once(':'))
                .ok_or_else(|| BundleError::SecurityOpt(option.clone()))?;
            let flag = || match value {
                "true" | "1" | "t" | "T" | "TRUE" | "True" => Ok(Some(true)),
                "false" | "0" | "f" | "F" | "FALSE" | "False" => Ok(Some(false)),
                _ => Err(BundleError::SecurityOptValue(option.clone())),
            };
            match key {
                "label" => out.labels.push(value.to_owned()),
                "apparmor" => out.apparmor = Some(value.to_owned()),
                "seccomp" => {
                    out.seccomp = match value {
                        "" => SeccompChoice::Default,
                        "unconfined" => SeccompChoice::Unconfined,
                        "builtin" => SeccompChoice::Builtin,
                        json => SeccompChoice::Profile(json.to_owned()),
                    }
                }
                "no-new-privileges" => out.no_new_privileges = flag()?,
                "writable-cgroups" => out.writable_cgroups = flag()?,
                _ => return Err(BundleError::SecurityOptValue(option.clone())),
            }
        }
        Ok(out)
    }
}
