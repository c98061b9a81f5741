//! `/networks`.

use std::net::IpAddr;

use api_types::network::{
    ConfigReference, ConnectRequest, CreateRequest, CreateResponse, DisconnectRequest, EndpointResource, Ipam,
    IpamConfig, IpamStatus, Network, NetworkInspect, NetworkStatus, PruneReport, SubnetStatus,
};
use hyper::StatusCode;
use ipnet::IpNet;
use network::{IpamPoolSpec, NetworkSpec, NetworkView, PoolView};
use units::filter::Filters;

use super::{Request, Result, convert, filters};
use crate::http::{ApiError, empty};

const KEYS: &[&str] = &["dangling", "driver", "id", "label", "name", "scope", "type"];

/// `GET /networks`
pub(crate) async fn list(request: Request) -> Result {
    let filters = filters(&request.form)?;
    check(&filters)?;
    let dangling = match filters.contains("dangling") {
        true => Some(filters.bool_or("dangling", false)?),
        false => None,
    };
    let rows: Vec<Network> = request
        .state
        .engine
        .networks
        .list()
        .iter()
        .filter(|n| passes(n, &filters) && dangling.is_none_or(|d| d == is_dangling(n)))
        .map(summary)
        .collect();
    request.reply(StatusCode::OK, &rows)
}

fn check(filters: &Filters) -> Result<()> {
    filters.validate(KEYS)?;
    for kind in filters.get("type") {
        if kind != "builtin" && kind != "custom" {
            return Err(ApiError::bad_request(format!("invalid filter: 'type'='{kind}'")));
        }
    }
    Ok(())
}

fn is_builtin(network: &NetworkView) -> bool {
    matches!(network.name.as_str(), "bridge" | "host" | "none")
}

fn is_dangling(network: &NetworkView) -> bool {
    !is_builtin(network) && network.containers.is_empty()
}

fn passes(network: &NetworkView, filters: &Filters) -> bool {
    let kind = if is_builtin(network) { "builtin" } else { "custom" };
    let starts = filters.get("id").any(|id| network.id.as_str().starts_with(id));
    (!filters.contains("id") || starts)
        && engine::NamePatterns::of(filters, "name").pass(&network.name)
        && filters.exact_match("driver", &network.driver)
        && filters.exact_match("scope", &network.scope)
        && filters.exact_match("type", kind)
        && filters.match_kv("label", |key| network.labels.get(key).map(String::as_str))
}

/// `GET /networks/{id}`
pub(crate) async fn inspect(request: Request) -> Result {
    let text = request.form.get("verbose");
    if !text.is_empty() && units::num::parse_bool(text).is_err() {
        return Err(ApiError::bad_request(format!(
            "invalid value for verbose: {text}: strconv.ParseBool: parsing {text:?}: invalid syntax"
        )));
    }
    let network = request.state.engine.networks.inspect(&request.name)?;
    let shown = NetworkInspect {
        containers: network
            .containers
            .iter()
            .map(|(id, e)| {
                let endpoint = EndpointResource {
                    name: e.name.clone(),
                    endpoint_id: e.endpoint_id.to_string(),
                    mac_address: e.mac_address.clone(),
                    ipv4_address: e.ipv4_address.clone(),
                    ipv6_address: e.ipv6_address.clone(),
                };
                (id.to_string(), endpoint)
            })
            .collect(),
        services: None,
        status: Some(NetworkStatus {
            ipam: IpamStatus {
                subnets: network
                    .status
                    .iter()
                    .map(|(subnet, s)| {
                        let status =
                            SubnetStatus { ips_in_use: s.ips_in_use, dynamic_ips_available: s.dynamic_ips_available };
                        (subnet.to_string(), status)
                    })
                    .collect(),
            },
        }),
        network: summary(&network),
    };
    request.reply(StatusCode::OK, &shown)
}

fn summary(network: &NetworkView) -> Network {
    let created = network.created.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
    Network {
        name: network.name.clone(),
        id: network.id.to_string(),
        created: convert::time(i64::try_from(created).unwrap_or(i64::MAX)),
        scope: network.scope.clone(),
        driver: network.driver.clone(),
        enable_ipv4: network.enable_ipv4,
        enable_ipv6: network.enable_ipv6,
        ipam: Ipam {
            driver: network.ipam_driver.clone(),
            options: network.ipam_options.clone(),
            config: network.ipam.as_ref().map(|pools| pools.iter().map(pool).collect()),
        },
        internal: network.internal,
        attachable: network.attachable,
        ingress: network.ingress,
        config_from: ConfigReference { network: network.config_from.clone() },
        config_only: network.config_only,
        options: network.options.clone(),
        labels: network.labels.clone(),
        peers: Vec::new(),
    }
}

fn pool(pool: &PoolView) -> IpamConfig {
    IpamConfig {
        subnet: pool.subnet.to_string(),
        ip_range: pool.ip_range.map(|r| r.to_string()).unwrap_or_default(),
        gateway: pool.gateway.map(|g| g.to_string()).unwrap_or_default(),
        auxiliary_addresses: pool.aux_addresses.iter().map(|(k, v)| (k.clone(), v.to_string())).collect(),
    }
}

/// `POST /networks/create`
pub(crate) async fn create(mut request: Request) -> Result {
    let body: CreateRequest = request.json().await?.unwrap_or_default();
    if body.ingress {
        return Err(ApiError::not_implemented("ingress networks need Swarm, which is not supported"));
    }
    if body.scope == "swarm" || body.driver == "overlay" {
        return Err(ApiError::new(
            error::ErrorKind::Unavailable,
            "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this \
             node to swarm and try again.",
        ));
    }
    let ipam = body.ipam.unwrap_or_default();
    let spec = NetworkSpec {
        name: body.name,
        driver: body.driver,
        enable_ipv4: body.enable_ipv4,
        enable_ipv6: body.enable_ipv6,
        ipam_driver: ipam.driver,
        ipam_options: ipam.options,
        ipam: ipam.config.unwrap_or_default().into_iter().map(wanted_pool).collect::<Result<_>>()?,
        internal: body.internal,
        attachable: body.attachable,
        config_only: body.config_only,
        config_from: body.config_from.map(|c| c.network).filter(|n| !n.is_empty()),
        scope: body.scope,
        options: body.options,
        labels: body.labels,
    };
    let created = request.state.engine.networks.create(spec).await?;
    let answer = CreateResponse { id: created.id.to_string(), warning: created.warning };
    request.reply(StatusCode::CREATED, &answer)
}

fn wanted_pool(config: IpamConfig) -> Result<IpamPoolSpec> {
    let prefix = |text: &str, what: &str| -> Result<Option<IpNet>> {
        if text.is_empty() {
            return Ok(None);
        }
        text.parse()
            .map(Some)
            .map_err(|_| ApiError::bad_request(format!("invalid {what} {text}: invalid CIDR block notation")))
    };
    let address = |text: &str, what: &str| -> Result<IpAddr> {
        text.parse().map_err(|_| ApiError::bad_request(format!("invalid {what} address {text}")))
    };
    let aux = config.auxiliary_addresses;
    Ok(IpamPoolSpec {
        subnet: prefix(&config.subnet, "subnet")?,
        ip_range: prefix(&config.ip_range, "ip-range")?,
        gateway: (!config.gateway.is_empty()).then(|| address(&config.gateway, "gateway")).transpose()?,
        aux_addresses: aux
            .into_iter()
            .map(|(name, ip)| Ok((name, address(&ip, "auxiliary")?)))
            .collect::<Result<_>>()?,
    })
}

/// `POST /networks/{id}/connect`
pub(crate) async fn connect(mut request: Request) -> Result {
    let body: ConnectRequest = request.json().await?.unwrap_or_default();
    let settings = body.endpoint_config.unwrap_or_default();
    request.state.engine.networks.connect(&request.name, &body.container, settings).await?;
    Ok(empty(StatusCode::OK))
}

/// `POST /networks/{id}/disconnect`
pub(crate) async fn disconnect(mut request: Request) -> Result {
    let body: DisconnectRequest = request.json().await?.unwrap_or_default();
    request.state.engine.networks.disconnect(&request.name, &body.container, body.force).await?;
    Ok(empty(StatusCode::OK))
}

/// `DELETE /networks/{id}`
pub(crate) async fn remove(request: Request) -> Result {
    request.state.engine.networks.remove(&request.name).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// `POST /networks/prune`
pub(crate) async fn prune(request: Request) -> Result {
    let filters = filters(&request.form)?;
    filters.validate(&["label", "label!", "until"])?;
    let until = until(&filters)?;
    let wanted = move |network: &NetworkView| {
        let label = |key: &str| network.labels.get(key).map(String::as_str);
        until.is_none_or(|until| network.created < until)
            && filters.match_kv("label", label)
            && (!filters.contains("label!") || !filters.match_kv("label!", label))
    };
    let names = request.state.engine.networks.prune(wanted).await?;
    request.reply(StatusCode::OK, &PruneReport { networks_deleted: convert::none_if_empty(names) })
}

fn until(filters: &Filters) -> Result<Option<std::time::SystemTime>> {
    let values: Vec<&str> = filters.get("until").collect();
    match values[..] {
        [] => Ok(None),
        [one] => {
            let zone = jiff::tz::TimeZone::system();
            let time = units::timestamp::parse_user_time(one, jiff::Timestamp::now(), &zone)?;
            Ok(Some(time.into()))
        }
        _ => Err(ApiError::bad_request("more than one until filter specified")),
    }
}
