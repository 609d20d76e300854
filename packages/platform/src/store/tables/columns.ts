// Kinds of columns that several tables have.

import type { ColumnType } from "kysely";

/** Written as JSON text, read as the value. Columns are `json`, which unlike `jsonb` can hold U+0000. */
export type Json<Value> = ColumnType<Value, string, string>;
export type Created = ColumnType<Date, Date | undefined, never>;
