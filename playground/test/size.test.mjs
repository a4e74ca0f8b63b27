// The module is as small as it was.

import assert from "node:assert/strict";
import { test } from "node:test";
import { sizes } from "../sizes.mjs";

test("the module is no larger than a page should load", () => {
  const all = sizes();
  assert.ok(all.length > 0, "there is no module: run playground/build");
  for (const { name, fault } of all) assert.equal(fault, null, name);
});
