//! The routing table. Order matters only where a pattern is a special case of a later one.

use api_compat::{Operation as Op, Version};
use hyper::Method;

use super::container::{attach, create, files, lifecycle, list, logs, stats};
use super::unsupported::{lacks, no_swarm, none};
use super::{event, exec, grpc, image, network, system, volume};
use crate::App;
use crate::http::{Route, Router};

/// Every endpoint of the Engine API.
pub fn router() -> Router<App> {
    let mut routes = Vec::with_capacity(128);
    routes.extend(system_routes());
    routes.extend(container_routes());
    routes.extend(image_routes());
    routes.extend(network_routes());
    routes.extend(volume_routes());
    routes.extend(build_routes());
    routes.extend(swarm_routes());
    routes.extend(plugin_routes());
    Router::new(routes).with_grpc(Route::new(POST, "/{name}", Op::Other, grpc::call))
}

const GET: Method = Method::GET;
const HEAD: Method = Method::HEAD;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const DELETE: Method = Method::DELETE;

const V1_25: Version = Version::new(1, 25);

fn system_routes() -> Vec<Route<App>> {
    vec![
        Route::new(GET, "/_ping", Op::Other, system::ping),
        Route::new(HEAD, "/_ping", Op::Other, system::ping),
        Route::new(GET, "/version", Op::Other, system::version),
        Route::new(GET, "/info", Op::Info, system::info),
        Route::new(GET, "/events", Op::Events, event::events),
        Route::new(GET, "/system/df", Op::DiskUsage, system::disk_usage),
        Route::new(POST, "/system/check", Op::Other, image::check::check),
        Route::new(POST, "/auth", Op::Other, image::push::auth),
        Route::new(GET, "/distribution/{name}/json", Op::Other, image::remote::distribution),
    ]
}

fn container_routes() -> Vec<Route<App>> {
    vec![
        Route::new(HEAD, "/containers/{name}/archive", Op::Other, files::get),
        Route::new(GET, "/containers/json", Op::ContainerList, list::list),
        Route::new(GET, "/containers/{name}/export", Op::Other, files::export),
        Route::new(GET, "/containers/{name}/changes", Op::Other, files::changes),
        Route::new(GET, "/containers/{name}/json", Op::ContainerInspect, list::inspect),
        Route::new(GET, "/containers/{name}/top", Op::Other, list::top),
        Route::new(GET, "/containers/{name}/logs", Op::Other, logs::logs),
        Route::new(GET, "/containers/{name}/stats", Op::ContainerStats, stats::stats),
        Route::new(GET, "/containers/{name}/attach/ws", Op::Other, attach::websocket),
        Route::new(GET, "/exec/{name}/json", Op::Other, exec::inspect),
        Route::new(GET, "/containers/{name}/archive", Op::Other, files::get),
        Route::new(POST, "/containers/create", Op::ContainerCreate, create::create),
        Route::new(POST, "/containers/prune", Op::Other, lifecycle::prune).since(V1_25),
        Route::new(POST, "/containers/{name}/kill", Op::Other, lifecycle::kill),
        Route::new(POST, "/containers/{name}/pause", Op::Other, lifecycle::pause),
        Route::new(POST, "/containers/{name}/unpause", Op::Other, lifecycle::unpause),
        Route::new(POST, "/containers/{name}/restart", Op::ContainerStop, lifecycle::restart),
        Route::new(POST, "/containers/{name}/start", Op::Other, lifecycle::start),
        Route::new(POST, "/containers/{name}/stop", Op::ContainerStop, lifecycle::stop),
        Route::new(POST, "/containers/{name}/wait", Op::ContainerWait, lifecycle::wait),
        Route::new(POST, "/containers/{name}/resize", Op::Other, lifecycle::resize),
        Route::new(POST, "/containers/{name}/attach", Op::Other, attach::attach),
        Route::new(POST, "/containers/{name}/exec", Op::ExecCreate, exec::create),
        Route::new(POST, "/exec/{name}/start", Op::ExecStart, exec::start),
        Route::new(POST, "/exec/{name}/resize", Op::Other, exec::resize),
        Route::new(POST, "/containers/{name}/rename", Op::Other, lifecycle::rename),
        Route::new(POST, "/containers/{name}/update", Op::ContainerUpdate, lifecycle::update),
        Route::new(POST, "/commit", Op::Other, image::push::commit),
        Route::new(PUT, "/containers/{name}/archive", Op::Other, files::put),
        Route::new(GET, "/containers/{name}/checkpoints", Op::Other, lacks("checkpointing")),
        Route::new(POST, "/containers/{name}/checkpoints", Op::Other, lacks("checkpointing")),
        Route::new(DELETE, "/containers/{name}", Op::Other, lifecycle::remove),
    ]
}

fn image_routes() -> Vec<Route<App>> {
    vec![
        Route::new(GET, "/images/json", Op::ImageList, image::list::list),
        Route::new(GET, "/images/search", Op::Other, image::remote::search),
        Route::new(GET, "/images/get", Op::ImageGet, image::tar::get),
        Route::new(GET, "/images/{name}/get", Op::ImageGet, image::tar::get),
        Route::new(GET, "/images/{name}/history", Op::ImageHistory, image::list::history),
        Route::new(GET, "/images/{name}/json", Op::ImageInspect, image::list::inspect),
        Route::new(GET, "/images/{name}/attestations", Op::Other, image::remote::attestations)
            .since(Version::new(1, 55)),
        Route::new(POST, "/images/load", Op::ImageLoad, image::tar::load),
        Route::new(POST, "/images/create", Op::ImageCreate, image::pull::create),
        Route::new(POST, "/images/prune", Op::Other, image::change::prune).since(V1_25),
        Route::new(POST, "/images/{name}/push", Op::ImagePush, image::push::push),
        Route::new(POST, "/images/{name}/tag", Op::Other, image::change::tag),
        Route::new(DELETE, "/images/{name}", Op::ImageDelete, image::change::remove),
    ]
}

fn network_routes() -> Vec<Route<App>> {
    vec![
        Route::new(GET, "/networks", Op::Other, network::list),
        Route::new(GET, "/networks/", Op::Other, network::list),
        Route::new(GET, "/networks/{name}", Op::NetworkInspect, network::inspect),
        Route::new(POST, "/networks/create", Op::NetworkCreate, network::create),
        Route::new(POST, "/networks/prune", Op::Other, network::prune).since(V1_25),
        Route::new(POST, "/networks/{name}/connect", Op::NetworkConnect, network::connect),
        Route::new(POST, "/networks/{name}/disconnect", Op::Other, network::disconnect),
        Route::new(DELETE, "/networks/{name}", Op::Other, network::remove),
    ]
}

fn volume_routes() -> Vec<Route<App>> {
    vec![
        Route::new(GET, "/volumes", Op::Other, volume::list),
        Route::new(GET, "/volumes/{name}", Op::Other, volume::inspect),
        Route::new(POST, "/volumes/create", Op::Other, volume::create),
        Route::new(POST, "/volumes/prune", Op::VolumePrune, volume::prune).since(V1_25),
        Route::new(PUT, "/volumes/{name}", Op::Other, no_swarm),
        Route::new(DELETE, "/volumes/{name}", Op::Other, volume::remove),
    ]
}

fn build_routes() -> Vec<Route<App>> {
    vec![
        Route::new(POST, "/build", Op::Other, lacks("building images")),
        Route::new(POST, "/build/prune", Op::Other, lacks("building images")),
        Route::new(POST, "/build/cancel", Op::Other, lacks("building images")),
        Route::new(POST, "/session", Op::Other, lacks("building images")),
        Route::new(POST, "/grpc", Op::Other, grpc::upgrade),
    ]
}

fn swarm_routes() -> Vec<Route<App>> {
    let mut routes = vec![
        Route::new(GET, "/swarm", Op::Other, no_swarm),
        Route::new(POST, "/swarm/init", Op::Other, lacks("Swarm")),
        Route::new(POST, "/swarm/join", Op::Other, lacks("Swarm")),
        Route::new(POST, "/swarm/leave", Op::Other, no_swarm),
        Route::new(POST, "/swarm/update", Op::Other, no_swarm),
        Route::new(GET, "/swarm/unlockkey", Op::Other, no_swarm),
        Route::new(POST, "/swarm/unlock", Op::Other, no_swarm),
        Route::new(GET, "/services/{name}/logs", Op::Other, no_swarm),
        Route::new(GET, "/tasks/{name}/logs", Op::Other, no_swarm),
    ];
    for (all, create, one, update) in [
        ("/services", "/services/create", "/services/{name}", "/services/{name}/update"),
        ("/nodes", "", "/nodes/{name}", "/nodes/{name}/update"),
        ("/tasks", "", "/tasks/{name}", ""),
        ("/secrets", "/secrets/create", "/secrets/{name}", "/secrets/{name}/update"),
        ("/configs", "/configs/create", "/configs/{name}", "/configs/{name}/update"),
    ] {
        routes.push(Route::new(GET, all, Op::Other, no_swarm));
        routes.push(Route::new(GET, one, Op::Other, no_swarm));
        routes.push(Route::new(DELETE, one, Op::Other, no_swarm));
        for pattern in [create, update].into_iter().filter(|p| !p.is_empty()) {
            routes.push(Route::new(POST, pattern, Op::Other, no_swarm));
        }
    }
    routes
}

fn plugin_routes() -> Vec<Route<App>> {
    let plugins = || lacks("managing plugins");
    vec![
        Route::new(GET, "/plugins", Op::Other, none),
        Route::new(GET, "/plugins/privileges", Op::Other, plugins()),
        Route::new(GET, "/plugins/{name}/json", Op::Other, plugins()),
        Route::new(POST, "/plugins/pull", Op::Other, plugins()),
        Route::new(POST, "/plugins/create", Op::Other, plugins()),
        Route::new(POST, "/plugins/{name}/enable", Op::Other, plugins()),
        Route::new(POST, "/plugins/{name}/disable", Op::Other, plugins()),
        Route::new(POST, "/plugins/{name}/push", Op::Other, plugins()),
        Route::new(POST, "/plugins/{name}/upgrade", Op::Other, plugins()),
        Route::new(POST, "/plugins/{name}/set", Op::Other, plugins()),
        Route::new(DELETE, "/plugins/{name}", Op::Other, plugins()),
    ]
}
