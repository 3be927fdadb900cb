// Fetches the answer of a passkey for the form that asks for it. It decides nothing: the portal judges the answer.
"use strict";

const form = document.querySelector("form[data-passkey]");
const message = document.getElementById("passkey-message");

function say(text) {
  message.textContent = text;
  message.hidden = false;
}

function inWords(error) {
  switch (error.name) {
    case "InvalidStateError":
      return "This device has a passkey of yours already. Use another device or security key.";
    case "NotAllowedError":
      return "No passkey answered: it was cancelled, or it took too long. You can try again.";
    case "SecurityError":
      return "Passkeys work at the portal’s own address alone. Open it at " + form.dataset.origin + "/ and try again.";
    default:
      return "Your browser could not use a passkey here. Try again, or use another way.";
  }
}

async function answer() {
  const options = JSON.parse(form.dataset.options);
  const publicKey = form.dataset.passkey === "create"
    ? PublicKeyCredential.parseCreationOptionsFromJSON(options)
    : PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return form.dataset.passkey === "create"
    ? navigator.credentials.create({ publicKey })
    : navigator.credentials.get({ publicKey });
}

if (!window.PublicKeyCredential || !PublicKeyCredential.parseRequestOptionsFromJSON) {
  say("This browser knows no passkeys, or is too old for them. Use another browser, or another way.");
} else {
  form.addEventListener("submit", async (event) => {
    const field = form.elements.namedItem("credential");
    if (field.value !== "") return;
    event.preventDefault();
    message.hidden = true;
    try {
      field.value = JSON.stringify(await answer());
      form.requestSubmit();
    } catch (error) {
      say(inWords(error));
    }
  });
  // A page that the browser brings back has a new answer to fetch.
  window.addEventListener("pageshow", () => { form.elements.namedItem("credential").value = ""; });
}
