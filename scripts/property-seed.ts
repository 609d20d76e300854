// Loaded before tests that draw random input: they draw the same in every run, so that a verdict is about the change
// and not about the draw. With `CORRAL_LONG_TESTS=1` every run draws anew.

import fc from "fast-check";

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: 20_261_126 });
