import relay from "../../relay.mjs";
Deno.serve(relay.fetch);
