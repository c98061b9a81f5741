//! What registries and images say of themselves: distribution, search, attestations.

use api_types::image::AttestationStatement;
use api_types::registry::{DistributionInspect, SearchResult};
use hyper::StatusCode;
use image::AttestationQuery;

use super::pull::credentials;
use crate::handlers::{Request, Result, filters, platforms, reference};
use crate::http::ApiError;

/// Hits that a search gives at most, and if it does not say.
const LIMIT_MAX: u32 = 100;
const LIMIT_DEFAULT: u32 = 25;

/// `GET /distribution/{name}/json`
pub(crate) async fn distribution(request: Request) -> Result {
    let is_id = request.name.len() == 64 && request.name.bytes().all(|b| b.is_ascii_hexdigit());
    if is_id || request.name.starts_with("sha256:") {
        return Err(ApiError::bad_request(format!("unknown image reference format: {}", request.name)));
    }
    let wanted = reference(&request.name)?;
    let auth = credentials(request.header("x-registry-auth"));
    let found = request.state.engine.images.distribution(&wanted, auth).await?;
    let shown = DistributionInspect { descriptor: found.descriptor, platforms: found.platforms };
    request.reply(StatusCode::OK, &shown)
}

/// `GET /images/search`
pub(crate) async fn search(request: Request) -> Result {
    let form = &request.form;
    let limit = match form.get("limit") {
        "" => 0,
        text => text.parse::<i64>().ok().filter(|n| *n >= 0).ok_or_else(|| {
            ApiError::bad_request(format!("invalid limit specified: strconv.Atoi: parsing {text:?}: invalid syntax"))
        })?,
    };
    let limit = match u32::try_from(limit) {
        Ok(0) => LIMIT_DEFAULT,
        Ok(n @ 1..=LIMIT_MAX) => n,
        _ => {
            let text = format!("limit {limit} is outside the range of [1, {LIMIT_MAX}]");
            return Err(ApiError::bad_request(text));
        }
    };
    let filters = filters(form)?;
    filters.validate(&["is-automated", "is-official", "stars"])?;
    let automated = filters.bool_or("is-automated", false)?;
    let official = filters.bool_or("is-official", false)?;
    let mut stars = 0;
    for text in filters.get("stars") {
        let wanted: i64 =
            text.parse().map_err(|_| ApiError::bad_request(format!("invalid filter 'stars=[{text}]'")))?;
        stars = wanted.max(stars);
    }
    // Docker has no automated builds any more, so nothing passes that filter.
    let none: Vec<SearchResult> = Vec::new();
    if automated {
        return request.reply(StatusCode::OK, &none);
    }
    let auth = credentials(request.header("x-registry-auth"));
    let hits = request.state.engine.images.search(form.get("term"), limit, auth.as_ref()).await?;
    let shown: Vec<SearchResult> = hits
        .into_iter()
        .filter(|h| !filters.contains("is-official") || h.is_official == official)
        .filter(|h| h.star_count >= stars)
        .map(|h| SearchResult {
            star_count: h.star_count,
            is_official: h.is_official,
            name: h.name,
            is_automated: false,
            description: h.description,
        })
        .collect();
    request.reply(StatusCode::OK, &shown)
}

/// `GET /images/{name}/attestations`
pub(crate) async fn attestations(request: Request) -> Result {
    let form = &request.form;
    let mut platforms = platforms(form, "platform")?;
    if platforms.len() > 1 {
        return Err(ApiError::bad_request("multiple platform parameters not supported"));
    }
    let query =
        AttestationQuery { platform: platforms.pop(), types: form.all("type"), statement: form.bool("statement") };
    let found = request.state.engine.images.store().attestations(&request.name, &query)?;
    let shown: Vec<AttestationStatement> = found
        .into_iter()
        .map(|a| AttestationStatement {
            descriptor: a.descriptor,
            predicate_type: a.predicate_type,
            statement: a.statement,
        })
        .collect();
    request.reply(StatusCode::OK, &shown)
}
