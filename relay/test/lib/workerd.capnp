# The worker in workerd, the runtime of Cloudflare Workers. Port 0: it says on its control descriptor which one it got.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "relay", worker = (
      modules = [(name = "relay.mjs", esModule = embed "../../relay.mjs")],
      compatibilityDate = "2026-11-01",
      bindings = [
        (name = "RELAY_TOKEN", fromEnvironment = "RELAY_TOKEN"),
        (name = "RELAY_REGION", fromEnvironment = "RELAY_REGION"),
        (name = "UPSTREAM", fromEnvironment = "UPSTREAM"),
      ],
      globalOutbound = "loopback",
    )),
    (name = "loopback", network = (allow = ["local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "relay")],
);
