//! A scripted fake of the Gemini API.
