// What `midspan models --json` prints.

export interface Model {
  readonly name: string;
  readonly isHere: boolean;
  readonly about: string;
}

interface Listed {
  readonly name: string;
  readonly size_bytes: number;
  readonly licence: string;
  readonly origin: string;
}

export function modelsIn(output: string): readonly Model[] {
  const listed = JSON.parse(output) as Record<'installed' | 'fetchable', readonly Listed[]>;
  return [
    ...listed.installed.map((one) => model(one, true)),
    ...listed.fetchable.map((one) => model(one, false)),
  ];
}

function model({ name, size_bytes, licence, origin }: Listed, isHere: boolean): Model {
  const about = `${origin}, ${licence}, ${Math.round(size_bytes / 1e6)} MB`;
  return { name, isHere, about };
}
