// What every list has in common: `limit` and `cursor` in, `{items, next_cursor}` out.

import type { Page } from "../store/page.ts";

/** One page in the wire's shape, without the rows that the caller may not see. */
export function toPage<Row, Item>(
  page: Page<Row>,
  toItem: (row: Row) => Item,
  maySee: (row: Row) => boolean = () => true,
) {
  return { items: page.items.filter(maySee).map(toItem), next_cursor: page.nextCursor };
}
