// Starts Swagger UI on the OpenAPI document of this console. A file of its own, because the pages
// run under a policy that allows no inline script.
const COOKIES = ["__Host-tw_csrf", "tw_csrf"];

function csrfToken() {
  for (const pair of document.cookie.split("; ")) {
    const [name, value] = pair.split("=", 2);
    if (COOKIES.includes(name)) return decodeURIComponent(value);
  }
  return null;
}

window.addEventListener("load", () => {
  window.ui = SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    docExpansion: "none",
    filter: true,
    persistAuthorization: false,
    tryItOutEnabled: true,
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis],
    requestInterceptor: (request) => {
      // Whoever is signed in by cookie proves with this header that the page is the console's own.
      const token = csrfToken();
      if (token !== null && new URL(request.url, location.href).origin === location.origin) {
        request.headers["X-CSRF-Token"] = token;
      }
      return request;
    },
  });
});
