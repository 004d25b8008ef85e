"use strict";
(function () {
  const store = "loan-default-key";
  const element = (id) => document.getElementById(id);

  function say(text, kind) {
    element("said").textContent = text;
    element("said").dataset.kind = kind || "";
  }

  function forget() {
    sessionStorage.removeItem(store);
    element("key").value = "";
    element("calls").replaceChildren();
    element("forget").hidden = true;
  }

  function draw(description, key) {
    const ui = SwaggerUIBundle({
      spec: description,
      domNode: element("calls"),
      presets: [SwaggerUIBundle.presets.apis],
      layout: "BaseLayout",
      validatorUrl: null,
      tryItOutEnabled: false,
      onComplete: () => ui.preauthorizeApiKey("ApiKey", key),
    });
  }

  async function show(key) {
    if (typeof SwaggerUIBundle === "undefined") {
      say("Swagger UI did not load. The document itself is at openapi.json, with a key.", "problem");
      return;
    }
    let answer;
    try {
      answer = await fetch("openapi.json", { headers: { "X-API-Key": key }, cache: "no-store" });
    } catch (error) {
      say("The server did not answer.", "problem");
      return;
    }
    if (!answer.ok) {
      forget();
      say(answer.status === 403 ? "This key is not valid here." : `The server answered ${answer.status}.`, "problem");
      return;
    }
    sessionStorage.setItem(store, key);
    draw(await answer.json(), key);
    element("forget").hidden = false;
    say("The key stays in this browser tab.");
  }

  element("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    show(element("key").value.trim());
  });
  element("forget").addEventListener("click", () => {
    forget();
    say("Forgotten.");
  });
  const kept = sessionStorage.getItem(store);
  if (kept) {
    element("key").value = kept;
    show(kept);
  }
})();
