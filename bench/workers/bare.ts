// The bare passthrough Worker every ratio is taken against: it forwards the request and nothing else.

interface Env {
  readonly UPSTREAM: string;
}

export default {
  fetch(request: Request, env: Env): Promise<Response> {
    const { pathname } = new URL(request.url);
    return fetch(new Request(env.UPSTREAM + pathname, request));
  },
};
