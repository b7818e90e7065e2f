import relay from "../../../relay.mjs";
export default (request) => relay.fetch(request);
export const config = { path: "/*" };
