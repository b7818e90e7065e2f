export function check(folder: string): { sentences: number; complaints: string[] };
