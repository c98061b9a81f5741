//! Other hosts on the machine's network: network namespaces joined to it by veth pairs.

use crate::machine::Machine;
use crate::output::Output;

/// A host next door. Link `lan<n>` of the machine has address 192.0.2.(4n+1), the neighbour 192.0.2.(4n+2) (/30).
#[derive(Debug, Clone)]
pub struct Neighbour {
    name: String,
    /// The neighbour's own address.
    pub address: String,
    /// The machine's address on the link between them: the neighbour's default gateway.
    pub gateway: String,
}

impl Neighbour {
    /// Adds the `n`-th neighbour (0–62).
    pub fn add(machine: &Machine, n: u8) -> anyhow::Result<Self> {
        let name = format!("neighbour{n}");
        let (gateway, address) = (format!("192.0.2.{}", 4 * n + 1), format!("192.0.2.{}", 4 * n + 2));
        machine
            .sh(&format!(
                "set -e
                ip netns add {name}
                ip link add lan{n} type veth peer name eth0 netns {name}
                ip addr add {gateway}/30 dev lan{n}
                ip link set lan{n} up
                ip -n {name} link set lo up
                ip -n {name} addr add {address}/30 dev eth0
                ip -n {name} link set eth0 up
                ip -n {name} route add default via {gateway}"
            ))?
            .ok()?;
        Ok(Self { name, address, gateway })
    }

    /// Runs a bash script on the neighbour.
    pub fn sh(&self, machine: &Machine, script: &str) -> anyhow::Result<Output> {
        let quoted = script.replace('\'', r"'\''");
        machine.sh(&format!("ip netns exec {} bash -c '{quoted}'", self.name))
    }
}
