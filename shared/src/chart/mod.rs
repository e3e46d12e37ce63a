//! Figures, drawn the same in the browser and on the server.
