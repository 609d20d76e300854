// Every column of sealed values. Whoever adds one names it here, or its values stay behind when the key is rotated.

export interface SealedColumn {
  readonly table: string;
  /** Its value is the place's `row`. */
  readonly idColumn: string;
  readonly column: string;
}

export const sealedColumns: readonly SealedColumn[] = [
  { table: "runs", idColumn: "id", column: "webhook_secret" },
  { table: "webhook_secrets", idColumn: "project_id", column: "secret" },
  { table: "webhook_secrets", idColumn: "project_id", column: "previous" },
  { table: "secrets", idColumn: "id", column: "sealed" },
];
