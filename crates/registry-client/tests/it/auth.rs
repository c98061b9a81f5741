use error::{ErrorKind, HasKind};
use registry_client::{Client, Credentials, Error};
use testkit::registry::{Fault, Login, Options, Registry, When};

use crate::{client, config, fetch, image, login, reference};

fn registry(login: Login) -> Registry {
    let registry = Registry::with(Options { login, ..Options::default() });
    registry.push("private/app", "1", &image());
    registry
}

async fn pull(client: &Client, registry: &Registry, credentials: Option<Credentials>) -> Result<(), Error> {
    let r = client.repository(&reference(&registry.name("private/app:1")), credentials);
    let resolved = r.resolve().await?;
    r.manifest(&resolved.descriptor).await?;
    fetch(&r, &image().layers[0].blob, 0).await.map(drop)
}

#[tokio::test]
async fn basic() {
    let registry = registry(Login::Basic("u".into(), "p".into()));
    pull(&client(), &registry, login("u", "p")).await.expect("pull");
    let e = pull(&client(), &registry, None).await.expect_err("no credentials");
    assert_eq!(
        e.to_string(),
        format!(
            "failed to resolve reference \"{}\": pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials",
            registry.name("private/app:1")
        )
    );
    let e = pull(&client(), &registry, login("u", "wrong")).await.expect_err("wrong");
    assert!(e.to_string().ends_with("401 Unauthorized"), "{e}");
}

#[tokio::test]
async fn tokens() {
    for no_post in [false, true] {
        let Login::Token { user, expires_in, realm, .. } = Login::token("u", "p") else { unreachable!() };
        let registry = registry(Login::Token { user, anonymous_pull: false, expires_in, no_post, realm });
        pull(&client(), &registry, login("u", "p")).await.expect("pull");
        let log = registry.take_log();
        let asked = log.iter().filter(|l| l.path == "/token" && l.status == 200).count();
        assert_eq!(asked, 1, "one token is enough: {log:?}");
        if !no_post {
            assert!(log.iter().any(|l| l.form.contains("grant_type=password")
                && l.form.contains("scope=repository%3Aprivate%2Fapp%3Apull")));
        }
    }
}

#[tokio::test]
async fn anonymous_tokens_and_refusal() {
    let Login::Token { user, .. } = Login::token("u", "p") else { unreachable!() };
    let login = Login::Token { user, anonymous_pull: true, expires_in: None, no_post: false, realm: None };
    pull(&client(), &registry(login), None).await.expect("anonymous");
    let registry = registry(Login::token("u", "p"));
    let e = pull(&client(), &registry, None).await.expect_err("anonymous");
    let name = registry.name("private/app");
    assert_eq!(
        e.to_string(),
        format!("pull access denied for {name}, repository does not exist or may require 'docker login'")
    );
    assert_eq!(e.kind(), ErrorKind::NotFound);
    let e = pull(&client(), &registry, crate::login("u", "wrong")).await.expect_err("wrong password");
    assert_eq!(e.to_string(), "error from registry: incorrect username or password");
}

#[tokio::test]
async fn identity_and_registry_tokens() {
    let registry = registry(Login::token("u", "p"));
    let identity = Credentials { identity_token: "refresh-u".into(), ..Credentials::default() };
    pull(&client(), &registry, Some(identity)).await.expect("identity token");
    assert!(registry.take_log().iter().any(|l| l.form.contains("grant_type=refresh_token")));
    let token = Credentials { registry_token: "nonsense".into(), ..Credentials::default() };
    pull(&client(), &registry, Some(token)).await.expect_err("unknown token");
    assert!(registry.take_log().iter().all(|l| l.authorization.as_deref() == Some("Bearer nonsense")));
}

#[tokio::test]
async fn tokens_that_end_are_renewed() {
    let registry = registry(Login::token("u", "p"));
    registry.fault(When::get("/blobs/").times(1), Fault::TokenExpiry);
    pull(&client(), &registry, login("u", "p")).await.expect("renewed");
    let registry = Registry::with(Options { login: Login::token("u", "p"), ..Options::default() });
    let image = image();
    registry.push("private/app", "1", &image);
    registry.fault(When::get("/blobs/").times(1), Fault::ResetAfter(300_000));
    registry.fault(When::get("/blobs/").times(1), Fault::TokenExpiry);
    pull(&client(), &registry, login("u", "p")).await.expect("renewed in the middle of a blob");
}

#[tokio::test]
async fn token_servers_may_falter() {
    for fault in [Fault::ResetAfter(0), Fault::Status(503, Some(0), ""), Fault::Status(429, Some(0), "")] {
        let registry = registry(Login::token("u", "p"));
        registry.fault(When::any("/token").times(3), fault.clone());
        pull(&client(), &registry, login("u", "p")).await.unwrap_or_else(|e| panic!("{fault:?}: {e}"));
    }
    let registry = registry(Login::token("u", "p"));
    registry.fault(When::any("/token"), Fault::Status(503, None, ""));
    let e = pull(&client(), &registry, login("u", "p")).await.expect_err("down").to_string();
    assert!(e.ends_with("503 Service Unavailable"), "{e}");
    assert_eq!(registry.take_log().iter().filter(|l| l.path == "/token").count(), 5);
}

#[tokio::test]
async fn credentials_stay_with_their_registry() {
    let registry = registry(Login::Basic("u".into(), "p".into()));
    let other = Credentials { server_address: "https://other.example/v1/".into(), ..login("u", "p").expect("some") };
    pull(&client(), &registry, Some(other)).await.expect_err("not for this registry");
    assert!(registry.take_log().iter().all(|l| l.authorization.is_none()));

    // Redirections: to another host nothing goes along.
    let store = Registry::start();
    let image = image();
    store.push("private/app", "1", &image);
    registry.fault(When::get("/blobs/"), Fault::Redirect(format!("{}{{path}}", store.url())));
    pull(&client(), &registry, login("u", "p")).await.expect("redirected");
    let log = store.take_log();
    assert!(!log.is_empty() && log.iter().all(|l| l.authorization.is_none()), "{log:?}");
}

#[tokio::test]
async fn realms_are_not_believed_blindly() {
    for realm in ["http://169.254.169.254/token", "file:///etc/passwd", "http://u:p@127.0.0.1/x", "nonsense"] {
        let Login::Token { user, .. } = Login::token("u", "p") else { unreachable!() };
        let login =
            Login::Token { user, anonymous_pull: true, expires_in: None, no_post: false, realm: Some(realm.into()) };
        let registry = Registry::with(Options { login, ..Options::default() });
        let r = client().repository(&reference(&registry.name("a:1")), crate::login("u", "p"));
        let result = tokio::time::timeout(std::time::Duration::from_secs(5), r.resolve()).await;
        // A loopback registry may send us inward, but nothing answers there in this test.
        if !realm.contains("169.254") {
            let e = result.expect("at once").expect_err(realm);
            assert!(e.to_string().contains("realm"), "{e}");
        }
    }
}

#[tokio::test]
async fn logins() {
    for kind in [Login::Basic("u".into(), "p".into()), Login::token("u", "p")] {
        let registry = Registry::with(Options { login: kind.clone(), ..Options::default() });
        let at = |password: &str| Credentials {
            server_address: registry.address().to_string(),
            ..login("u", password).expect("some")
        };
        let token = Client::new(config()).expect("client").login(&at("p")).await.expect("login");
        assert_eq!(token.is_some(), kind != Login::Basic("u".into(), "p".into()));
        let e = client().login(&at("x")).await.expect_err("wrong");
        assert_eq!(e.kind(), ErrorKind::Unauthorized, "{e}");
    }
}
