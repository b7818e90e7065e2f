//! Local reverse proxy for the Gemini API, run by the VS Code extension as a sidecar.
