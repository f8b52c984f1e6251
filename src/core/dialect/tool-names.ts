// placeholder until the chat branch brings it
export function safeName(name: string): string {
  return name;
}
