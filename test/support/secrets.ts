// Secrets of test runs only: fixed, so that a token made in one test file is good in another. They open nothing.

export const TEST_SECRETS = {
  JWT_PRIVATE_JWK: JSON.stringify({
    kty: "OKP",
    crv: "Ed25519",
    kid: "test-1",
    x: "IobsSelaAI4A99IuJ7EKXEXisdaMhn3OzKtdsDBcbIg",
    d: "bAtr_DtRSeNCs9Wlg-chkKYGSPJDJOEZP6frkf_tmNE",
  }),
  REFRESH_SECRET: "2RT9meaZTUpxI8Qbaf70oZ7TDbCjWRMrI2dN5PkDUcM",
  API_KEY_SECRET: "fE2zl0rPEjWnGsgkyT6eyUOC6d4wxhdZxaUkqEvrCyo",
  MFA_SECRET: "nQ8m1Zr0Xl5mVYb7cT2sJk4hUe9wGa3oPd6fRi1xKtE",
  BACKUP_KEY: "kX2v7Qm1Zr0Xl5mVYb7cT2sJk4hUe9wGa3oPd6fRi1w",
  PASSWORD_PEPPER: "tlunnppMTSH31OJ5qm39_chdmmgR7fncbmw_LDWvQ4w",
};
