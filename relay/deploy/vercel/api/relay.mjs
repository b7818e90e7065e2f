// Vercel uploads this folder only: copy ../../../relay.mjs into lib/ before you deploy.
export { default } from "../lib/relay.mjs";
